"""A worker that waits for rank 0 looks no more often than it has to, and does not oversleep."""

from math import inf
from time import monotonic

import numpy as np
import pytest

from coded_dgd.engine.protocol import Control, Point, TaskChange, pack_control, pack_news
from coded_dgd.engine.transports.mpi import worker
from coded_dgd.engine.transports.mpi.worker import MPIWorker

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


def test_a_point_that_a_wait_has_found_is_looked_for_no_more():
    rank_0 = Rank0([None, None, POINT])
    point = MPIWorker(rank_0).wait(inf)
    assert isinstance(point, Point)
    assert (point.iteration, rank_0.looks) == (7, 3)


def test_heartbeats_are_only_received(naps):
    rank_0 = Rank0([HEARTBEAT, None, HEARTBEAT, CHANGE])
    assert MPIWorker(rank_0).wait(inf) == NEWS
    assert (len(naps), rank_0.looks) == (1, 4)


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
