"""Points and news reach a peer in the right order, and news cost nothing where there are none."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from coded_dgd.engine.protocol import OwnTasks, Point, TaskChange, read_control
from coded_dgd.engine.transports.mpi import peer, points
from coded_dgd.engine.transports.mpi.library import MPI
from coded_dgd.engine.transports.mpi.peer import Peer
from coded_dgd.engine.transports.mpi.points import WINDOW, Points


class Send:
    """A send that has been set up, which is complete once the worker has read what it sent."""

    def __init__(self, comm, buffer, received):
        self._comm, self._buffer, self._received = comm, buffer, received
        self._complete = True

    def start(self):
        self._comm.sent.append(read_control(self._buffer))
        self._complete = not self._received

    def Test(self):
        return self._complete or self._comm.reads

    def Free(self):
        pass


class Comm:
    """A communicator to one rank, which notes what is sent in the order of the sends."""

    def __init__(self):
        self.sent, self.reads = [], False

    def Send_init(self, buffer, rank, tag):
        return Send(self, buffer, received=False)

    def Ssend_init(self, buffer, rank, tag):
        return Send(self, buffer, received=True)

    def Isend(self, message, rank, tag):
        self.sent.append(read_control(message))
        return Send(self, message, received=False)

    @property
    def words(self):
        """What has been sent: the iterations of points, and news as they are."""
        return [each.iteration if isinstance(each, Point) else each for each in self.sent]


def start_all(sends):
    for send in sends:
        send.start()


@pytest.fixture(autouse=True)
def mpi(monkeypatch):
    substitute = SimpleNamespace(
        Prequest=SimpleNamespace(Startall=start_all),
        Request=SimpleNamespace(Testall=lambda sends: all(send.Test() for send in sends)),
        Exception=MPI.Exception,
    )
    monkeypatch.setattr(peer, "MPI", substitute)
    monkeypatch.setattr(points, "MPI", substitute)


class Master:
    """Rank 0 with its points and one communicator to each peer."""

    def __init__(self, number):
        self.comms = [Comm() for _ in range(number)]
        self.peers = [Peer(each, 1, lambda cause: None) for each in self.comms]
        self.points = Points(self.peers)
        self.iteration = -1

    def post(self, count=1, to=None):
        for _ in range(count):
            self.iteration += 1
            point = Point(0, self.iteration, np.zeros(2))
            self.points.post(point, range(len(self.peers)) if to is None else to)


def news(iteration, task=0):
    return TaskChange(0, iteration, task, -1)


def test_own_tasks_go_before_the_next_point_and_other_news_behind_it():
    master = Master(2)
    master.post()
    for tasks in ((1,), (2,)):
        master.points.tell(0, OwnTasks(0, tasks))
    master.points.tell(0, OwnTasks(1, (3,)))
    master.points.tell(0, news(0))
    master.post(2)
    assert master.comms[0].words == [0, news(0), OwnTasks(0, (2,)), OwnTasks(1, (3,)), 1, 2]
    assert master.comms[1].words == [0, 1, 2]


def test_own_tasks_wait_for_a_point_to_their_peer():
    master = Master(2)
    master.points.tell(0, OwnTasks(0, (1,)))
    master.post(to=[1])
    assert not master.comms[0].sent
    master.post()
    assert master.comms[0].words == [OwnTasks(0, (1,)), 1]


@pytest.fixture
def unread():
    """Rank 0, to whose first peer a point and news behind it are owed."""
    master = Master(2)
    master.comms[1].reads = True
    master.post(WINDOW + 1)
    assert [each.words[-1] for each in master.comms] == [WINDOW - 1, WINDOW]
    for task in range(2):
        master.points.tell(0, news(WINDOW, task))
    master.points.tell(0, OwnTasks(0, (1,)))
    return master


def test_news_go_behind_the_point_that_is_owed(unread):
    unread.points.advance()
    assert unread.comms[0].words[-1] == WINDOW - 1
    unread.comms[0].reads = True
    unread.points.advance()
    expected = [OwnTasks(0, (1,)), WINDOW, news(WINDOW), news(WINDOW, 1)]
    assert unread.comms[0].words[WINDOW:] == expected
    unread.points.tell(0, news(WINDOW, 2))
    assert unread.comms[0].words[-1] == news(WINDOW, 2)


def test_news_of_a_point_that_is_never_sent_are_forgotten(unread):
    unread.post()
    unread.points.tell(0, news(WINDOW + 1))
    unread.comms[0].reads = True
    unread.points.advance()
    assert unread.comms[0].words[WINDOW:] == [OwnTasks(0, (1,)), WINDOW + 1, news(WINDOW + 1)]


def test_a_peer_that_is_gone_is_sent_nothing(unread):
    unread.peers[0].fail()
    unread.comms[0].reads = True
    unread.points.tell(0, news(WINDOW, 2))
    unread.points.advance()
    unread.post()
    assert len(unread.comms[0].sent) == WINDOW
    assert unread.comms[1].words[-1] == WINDOW + 1


def calls(function):
    """Number of calls of functions of Python."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call" and frame.f_code.co_filename in (peer.__file__, points.__file__)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_a_point_without_news_takes_no_calls_for_each_peer():
    few, many = Master(4), Master(40)
    for each in (few, many):
        each.post()  # sets up the sends
    assert calls(few.post) == calls(many.post)
