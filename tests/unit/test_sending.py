"""Rank 0 waits while too many bytes are in flight, and asks MPI no more often than it has to."""

from types import SimpleNamespace

import numpy as np
import pytest

from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.transports.mpi import master, peer
from coded_dgd.engine.transports.mpi.library import DATA, MPI, REPORT
from coded_dgd.engine.transports.mpi.master import MPIMaster
from coded_dgd.engine.transports.mpi.peer import Peer, start
from coded_dgd.engine.transports.mpi.receives import Receives
from coded_dgd.problems.layout import Layout


class Sends:
    """A communicator to one rank, whose sends are complete once `complete` is true."""

    def __init__(self):
        self.complete, self.tests, self.messages = False, 0, []

    def Isend(self, message, rank, tag):
        self.messages.append(np.frombuffer(message).copy())
        return self

    def Test(self):
        self.tests += 1
        return self.complete


def peers(number):
    sends = [Sends() for _ in range(number)]
    return sends, [Peer(each, rank, lambda cause: None) for rank, each in enumerate(sends, 1)]


def test_bytes_are_in_flight_until_a_look_finds_them_sent():
    (sends,), (peer,) = peers(1)
    peer.send(np.zeros(10), DATA)
    peer.send(np.zeros(2, "f4"), DATA)
    peer.look_at_sends()
    assert peer.unsent == 88
    sends.complete = True
    assert peer.unsent == 88
    peer.look_at_sends()
    assert peer.unsent == 0


def test_nothing_is_in_flight_to_a_peer_that_is_gone():
    _, (peer,) = peers(1)
    peer.send(np.zeros(10), DATA)
    peer.fail()
    assert peer.unsent == 0


@pytest.fixture
def rank_0(monkeypatch):
    monkeypatch.setattr(master, "DATA_IN_FLIGHT", 300)
    made = object.__new__(MPIMaster)
    made.sends, made._peers = peers(3)
    for each in made._peers:
        each.assignment = SimpleNamespace(height=40)
    made.lost, made.collected = {}, 0

    def collect():
        made.collected += 1
        made.sends[2].complete = made.collected == 2

    made._collect = collect
    return made


def test_messages_of_an_iteration_and_late_ones_are_received_in_one_array(rank_0):
    """Rows outside the first array are checked one by one, which takes ten times as long."""
    rank_0.workers, rank_0.payloads, payloads = 3, Payloads(), 2
    rank_0._inbox = SimpleNamespace(
        expect_results=lambda peer, layout, rows: rank_0.payloads.reserve(layout, rows)
    )
    assignment = SimpleNamespace(payloads=payloads, layout=Layout(4), to_json=lambda: b"")
    rank_0.assign(0, assignment)
    per_peer = 2 * payloads + 1  # the last one is awaited
    rows = rank_0.payloads.take_for([*range(3)] * per_peer)
    assert rank_0.payloads._in_matrix(rows)


def test_below_the_limit_only_the_sends_to_the_peer_are_looked_at(rank_0):
    for first in range(3):
        rank_0.piece(0, first, np.zeros((1, 1, 9)), None)
    assert [each.tests for each in rank_0.sends] == [3, 0, 0]
    assert (rank_0.collected, rank_0._peers[0].rows) == (0, 3)


def test_above_the_limit_rank_0_waits_for_any_peer(rank_0):
    rank_0.piece(2, 0, np.zeros((1, 40, 1)), None)
    rank_0.piece(0, 0, np.zeros((1, 1, 9)), None)
    assert rank_0.collected == 2
    assert [each.unsent for each in rank_0._peers] == [72, 0, 0]


def test_what_has_been_sent_meanwhile_does_not_make_rank_0_wait(rank_0):
    rank_0.piece(2, 0, np.zeros((1, 40, 1)), None)
    rank_0.sends[2].complete = True
    rank_0.piece(0, 0, np.zeros((1, 1, 9)), None)
    assert rank_0.collected == 0


def test_each_block_has_a_message_of_its_own_unless_all_rows_are_sent(rank_0):
    whole, some = np.ones((2, 40, 1)), np.arange(6.0).reshape(2, 3, 1)
    for each in rank_0.sends:
        each.complete = True
    rank_0.piece(0, 0, whole, None)
    rank_0.piece(1, 5, some, np.ones((2, 3)))
    messages = [each.messages for each in rank_0.sends]
    for sent, expected in zip(messages, [[whole], [*some, np.ones((2, 3))], []], strict=True):
        assert len(sent) == len(expected)
        for each, array in zip(sent, expected, strict=True):
            np.testing.assert_array_equal(each.reshape(array.shape), array)


class Send:
    """A send that has been set up; MPI refuses to start it if it is active or its peer is lost."""

    def __init__(self, lost):
        self._lost, self.active = lost, False

    def Start(self):
        if self._lost or self.active:
            raise MPI.Exception(MPI.ERR_OTHER if self._lost else MPI.ERR_REQUEST)
        self.active = True


def test_sends_that_were_started_before_one_failed_cost_no_peer(monkeypatch):
    def start_each(requests):
        for request in requests:
            request.Start()

    monkeypatch.setattr(
        peer,
        "MPI",
        SimpleNamespace(
            Prequest=SimpleNamespace(Startall=start_each),
            Exception=MPI.Exception,
            ERR_REQUEST=MPI.ERR_REQUEST,
        ),
    )
    _, all_peers = peers(3)
    requests = [Send(False), Send(True), Send(False)]
    start(requests, all_peers, range(3))
    assert [each.gone for each in all_peers] == [False, True, False]
    assert [each.active for each in requests] == [True, False, True]


class Listening:
    """A communicator to one rank, whose receives count how often their status is asked for."""

    def __init__(self):
        self.asked = 0

    def Irecv(self, buffer, rank, tag):
        return self

    def Get_status(self):
        self.asked += 1


def test_mpi_takes_in_what_has_arrived_also_once_the_first_peer_is_gone():
    comms = [Listening() for _ in range(3)]
    listened = [Peer(each, rank, lambda cause: None) for rank, each in enumerate(comms, 1)]
    receives = Receives(REPORT)
    receives.add(listened)
    receives.progress()
    listened[0].fail()
    receives.post(range(3), [bytearray(1)] * 3)
    receives.progress()
    assert [each.asked for each in comms] == [0, 1, 0]
