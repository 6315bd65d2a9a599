"""A worker's results leave from buffers that are used again only once they have been sent."""

from types import SimpleNamespace

import numpy as np
import pytest

from coded_dgd.engine.transports.mpi.library import MPI, REPORT, RESULT
from coded_dgd.engine.transports.mpi.outbox import SMALL_BYTES, Outbox

F8, F4 = np.dtype("f8"), np.dtype("f4")


class Send:
    """A send, which is not complete before `Rank0.take` has read it from its buffer."""

    def __init__(self, rank_0, buffer):
        self._rank_0, self.buffer, self.active, self.freed = rank_0, buffer, False, False

    def Start(self):
        assert not self.active
        self.active = True
        self._rank_0.coming.append(self)

    def Test(self):
        return not self.active

    def Free(self):
        self.freed = True


class Rank0:
    """Rank 0, and a communicator to it."""

    def __init__(self):
        self.coming, self.set_up, self.tags = [], [], []

    def Send_init(self, buffer, rank, tag):
        self.set_up.append(Send(self, buffer))
        return self.set_up[-1]

    def Isend(self, buffer, rank, tag):
        self.tags.append(tag)
        send = Send(self, buffer)
        send.Start()
        return send

    def take(self, number):
        """Receive the next messages."""
        received = []
        for send in self.coming[:number]:
            received.append(np.array(send.buffer))
            send.active = False
        del self.coming[:number]
        return received


@pytest.fixture
def rank_0():
    return Rank0()


@pytest.fixture
def outbox(rank_0):
    return Outbox(rank_0, lambda: pytest.fail("rank 0 is here"))


def send(outbox, value, size=3, dtype=F8):
    result = outbox.zeros(size, dtype)
    assert (result.shape, result.dtype) == ((size,), dtype)
    assert not result.any()
    result += value
    outbox.send(result)


def values(received):
    return [each.tolist() for each in received]


def test_a_buffer_is_used_again_once_it_has_been_sent(outbox, rank_0):
    for value in range(1, 6):
        send(outbox, value)
        assert values(rank_0.take(1)) == [[value] * 3]
    assert len(rank_0.set_up) == 1
    assert not rank_0.tags


def test_a_result_that_is_being_sent_is_left_as_it_is(outbox, rank_0):
    for value in range(1, 5):
        send(outbox, value)
    assert len(rank_0.set_up) == 4, "one for each result that rank 0 has not taken"
    assert values(rank_0.take(3)) == [[1] * 3, [2] * 3, [3] * 3]
    for value in range(5, 8):
        send(outbox, value)
    assert len(rank_0.set_up) == 4
    send(outbox, 8)
    assert len(rank_0.set_up) == 5
    assert values(rank_0.take(5)) == [[value] * 3 for value in range(4, 9)]


def test_each_size_and_type_has_buffers_of_its_own(outbox, rank_0):
    for _ in range(3):
        for size, dtype in ((3, F8), (3, F4), (5, F8)):
            send(outbox, size, size, dtype)
        assert [len(each) for each in rank_0.take(3)] == [3, 3, 5]
    assert len(rank_0.set_up) == 3


def test_a_result_that_was_given_up_costs_nothing(outbox, rank_0):
    outbox.zeros(3, F8)[:] = 7
    send(outbox, 1)
    assert values(rank_0.take(2)) == [[1] * 3]
    assert len(rank_0.set_up) == 1


def test_the_memory_of_a_large_result_is_not_kept(outbox, rank_0):
    send(outbox, 1, SMALL_BYTES // 8 + 1)
    assert (rank_0.set_up, rank_0.tags) == ([], [RESULT])
    send(outbox, 1, SMALL_BYTES // 8)
    assert (len(rank_0.set_up), rank_0.tags) == (1, [RESULT])


def test_results_and_texts_in_other_memory_come_in_order(outbox, rank_0):
    outbox.zeros(2, F8)
    outbox.send(np.full(2, 4.0))
    send(outbox, 5, 2)
    outbox.post(np.full(1, 6.0), REPORT)
    assert values(rank_0.take(3)) == [[4, 4], [5, 5], [6]]
    assert rank_0.tags == [RESULT, REPORT]


def test_all_is_sent_once_rank_0_has_taken_it(outbox, rank_0):
    assert outbox.is_sent()
    send(outbox, 1)
    outbox.post(np.zeros(1), REPORT)
    for _ in range(2):
        assert not outbox.is_sent()
        rank_0.take(1)
    assert outbox.is_sent()


def test_sends_that_are_set_up_are_freed(outbox, rank_0):
    send(outbox, 1)
    send(outbox, 1, dtype=F4)
    rank_0.take(2)
    outbox.close()
    assert [each.freed for each in rank_0.set_up] == [True, True]


def test_a_worker_leaves_if_rank_0_is_gone():
    class Left(Exception):
        pass

    def leave():
        raise Left

    def lost(*_):
        raise MPI.Exception(MPI.ERR_OTHER)

    request = SimpleNamespace(Test=lambda: True, Start=lost)
    comm = SimpleNamespace(Isend=lost, Send_init=lambda *_: request)
    outbox = Outbox(comm, leave)
    for action in (
        lambda: outbox.post(b"text", REPORT),
        lambda: outbox.send(outbox.zeros(3, F8)),
    ):
        with pytest.raises(Left):
            action()
