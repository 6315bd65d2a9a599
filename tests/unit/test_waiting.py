"""A worker that waits for rank 0 looks no more often than it has to, and does not oversleep."""

import threading
from math import inf
from time import monotonic
from types import SimpleNamespace

import numpy as np
import pytest

from coded_dgd.config import RunConfig
from coded_dgd.engine import job, setup
from coded_dgd.engine.protocol import Control, Point, TaskChange, pack_control, pack_news
from coded_dgd.engine.transports.base import Transport
from coded_dgd.engine.transports.mpi import library, worker
from coded_dgd.engine.transports.mpi.inbox import Inbox
from coded_dgd.engine.transports.mpi.master import MPIMaster
from coded_dgd.engine.transports.mpi.worker import MPIWorker
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Interrupted

POINT = pack_control(Control.POINT, 0, 7, 0)
HEARTBEAT = pack_control(Control.HEARTBEAT)
NEWS = TaskChange(0, 7, 1, -1)
CHANGE = pack_news(NEWS)


class Rank0:
    """Rank 0 and its communicator, whose messages are found by looks of the worker.

    Parameters
    ----------
    coming : list of array or None
        What each look finds.
    """

    def __init__(self, coming):
        self._coming, self.looks = coming, 0

    def Isend(self, message, rank, tag):
        return self

    def Recv_init(self, buffer, rank, tag):
        self._buffer, self._active = buffer, False
        return self

    def Start(self):
        assert not self._active
        self._active = True

    def Test(self):
        self.looks += 1
        message = self._coming.pop(0) if self._coming and self._active else None
        if message is not None:
            self._buffer[: len(message)] = message
            self._active = False
        return not self._active


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    naps = []
    monkeypatch.setattr(worker, "sleep", naps.append)
    return naps


@pytest.fixture(autouse=True)
def yields(monkeypatch):
    yields = []
    monkeypatch.setattr(worker, "sched_yield", lambda: yields.append(None))
    return yields


def test_a_point_that_a_wait_has_found_is_looked_for_no_more():
    rank_0 = Rank0([None, None, POINT])
    point = MPIWorker(rank_0).wait(inf)
    assert isinstance(point, Point)
    assert (point.iteration, rank_0.looks) == (7, 3)


def test_heartbeats_are_only_received(naps):
    rank_0 = Rank0([HEARTBEAT, None, None, HEARTBEAT, CHANGE])
    assert MPIWorker(rank_0).wait(inf) == NEWS
    assert (len(naps), rank_0.looks) == (1, 5)


def test_of_several_points_that_are_here_the_newest_is_taken():
    newest = pack_control(Control.POINT, 0, 9, 0)
    point = MPIWorker(Rank0([POINT, HEARTBEAT, newest, None])).wait(inf)
    assert isinstance(point, Point)
    assert point.iteration == 9


def test_a_wait_ends_at_its_deadline(naps, monkeypatch):
    now = monotonic()
    monkeypatch.setattr(worker, "monotonic", lambda: now + sum(naps))
    assert MPIWorker(Rank0([])).wait(now + 0.01) is None
    assert sum(naps) == pytest.approx(0.01)
    assert np.all(np.array(naps) <= worker.WORKER_PAUSE[1])


def test_others_get_the_core_once_before_a_worker_sleeps(naps, yields):
    assert MPIWorker(Rank0([None, CHANGE])).wait(inf) == NEWS
    assert (len(yields), naps) == (1, [])
    assert MPIWorker(Rank0([None, None, None, CHANGE])).wait(inf) == NEWS
    assert (len(yields), len(naps)) == (2, 2)


def test_a_worker_sleeps_through_most_of_a_wait_like_the_last(naps):
    shortest, longest = worker.WORKER_PAUSE
    short, long = [None] * 6 + [CHANGE], [None] * 40 + [CHANGE]
    waiting = MPIWorker(Rank0([*short, *short, *long, *long]))
    waiting.wait(inf)
    assert naps[0] == shortest
    first = np.cumsum(naps)[-1]  # adds in order, as the wait does; sum() compensates in Python 3.12
    naps.clear()
    waiting.wait(inf)
    assert naps[0] == worker.FIRST_SLEEP * first > shortest
    waiting.wait(inf)
    naps.clear()
    waiting.wait(inf)
    assert naps[0] == longest


@pytest.mark.parametrize("surplus", [True, False])
def test_others_get_the_core_between_tasks_if_not_all_messages_are_needed(yields, surplus):
    rank_0 = Rank0([None, CHANGE])
    waiting = MPIWorker(rank_0)
    waiting._yields_between_tasks = surplus
    assert waiting.wait(monotonic()) == (NEWS if surplus else None)
    assert (len(yields), rank_0.looks) == ((1, 2) if surplus else (0, 1))


@pytest.mark.parametrize(
    ("scheme", "load", "surplus"),
    [
        ("uncoded", 1, False),  # one message of each
        ("lcc-mmc", 2, False),  # 7 of 8
        ("lcc-mmc", 3, True),  # 7 of 12
        ("lcc", 4, False),
        ("uc-mmc", 2, True),  # 4 of 8
        ("mds-mmc", 4, True),  # 4 of 16
        ("gc", 2, False),
    ],
)
def test_workers_are_told_whether_all_of_their_messages_are_needed(scheme, load, surplus):
    told = set()

    class Told(SimulatedTransport):
        def assign(self, peer, assignment):
            told.add(assignment.surplus)
            super().assign(peer, assignment)

    config = RunConfig(scheme=scheme, load=load, iterations=1, data="synthetic:rows=40,features=3")
    job.run(setup.prepare(config, 4), Told(4))
    assert told == {surplus}


def test_tests_yield_again_where_they_did():
    found = library._yielding()
    if found is None:
        pytest.skip("not Open MPI")
    setter, default = found
    try:
        library.yield_in_tests(False)
        assert not setter(False)
        library.yield_in_tests(True)
        assert setter(default) == default
    finally:
        library.yield_in_tests(True)


@pytest.mark.parametrize("spawns", [False, True])
def test_tests_of_rank_0_yield_unless_it_waits_for_results(monkeypatch, spawns):
    """Else MPI calls of a callback kept the core from the rank that they waited for."""
    yields, while_waiting = [True], []
    monkeypatch.setattr(library, "_yielding", lambda: (yields.append, True))

    class Waiting(MPIMaster):
        def __init__(self):
            Transport.__init__(self)
            self._spawning = [threading.current_thread()] if spawns else []
            self._inbox = Inbox(self.payloads, None)
            self._points = SimpleNamespace(advance=lambda: None)

        def _collect(self, texts=True):
            while_waiting.append(yields[-1])
            if len(while_waiting) == 2:
                raise Interrupted

    with pytest.raises(Interrupted):
        Waiting().receive()
    assert while_waiting == [spawns, spawns]
    assert yields[-1]
