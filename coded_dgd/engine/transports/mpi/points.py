"""The sends of points to all peers, which are set up once and then started together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from coded_dgd.engine.protocol import Floats, News, OwnTasks, Point, pack_point, point_buffer
from coded_dgd.engine.transports.mpi.library import MPI
from coded_dgd.engine.transports.mpi.peer import Peer, start

WINDOW = 16
"""Number of points that a worker may leave unread: every 16th point is sent synchronously.
Until it has been received, only the newest later point is kept, so a frozen worker costs no
memory.
"""


class Points:
    """Sends points to peers, and keeps the newest one for those that have too many unread.

    News are sent here, too, since they come in a fixed order with the points.

    Parameters
    ----------
    peers : list of Peer
        All peers by number; more may be added to the list.
    """

    def __init__(self, peers: list[Peer]) -> None:
        self._peers = peers
        self._slots: defaultdict[int, list[Slot]] = defaultdict(list)  # by length of beta
        self._newest: Slot | None = None
        self._unread: dict[int, MPI.Prequest] = {}
        """The last synchronous send to each peer, until it has been received."""
        self._owed: list[int] = []
        """Peers to which the newest point has not been sent."""
        self._lists: defaultdict[int, dict[int, OwnTasks]] = defaultdict(dict)
        """Own tasks that come before the next point, by peer and code."""
        self._news: defaultdict[int, list[News]] = defaultdict(list)
        """News that belong behind the newest point, by peer to which it is owed."""
        self._count = 0

    def post(self, point: Point, numbers: Iterable[int]) -> None:
        """Send a point to these peers, now or as soon as they have read those before it."""
        slots = self._slots[len(point.beta)]
        slot = next((slot for slot in slots if slot.is_free()), None)
        if slot is None:
            slot = Slot(self._peers, point_buffer(point))
            slots.append(slot)
        pack_point(point, slot.buffer)
        self._newest, self._owed = slot, list(numbers)
        self._news.clear()
        self._count += 1
        self.advance()

    def tell(self, number: int, news: News) -> None:
        """Send own tasks before the next point, and other news behind the point they belong to.

        News of a point that is never sent are not sent either.
        """
        if isinstance(news, OwnTasks):
            self._lists[number][news.code_id] = news
        elif number in self._owed:
            self._news[number].append(news)
        else:
            self._peers[number].tell(news)

    def close(self) -> None:
        """Free the sends that have been set up, unless they are still under way."""
        for slots in self._slots.values():
            for slot in slots:
                slot.close()
        self._slots.clear()
        self._unread, self._owed = {}, []

    def advance(self) -> None:
        """Send the newest point to the peers to which it is owed and that have read enough."""
        if not self._owed:
            return
        assert self._newest is not None
        peers, unread = self._peers, self._unread
        for number in [n for n, send in unread.items() if is_over(send, peers[n])]:
            del unread[number]
        owed = [n for n in self._owed if not peers[n].gone]
        self._owed = [n for n in owed if n in unread]
        now = [n for n in owed if n not in unread] if unread else owed
        for number in self._lists.keys() & now:
            for own in self._lists.pop(number).values():
                peers[number].tell(own)
        synchronous = not self._count % WINDOW
        started = self._newest.start(now, synchronous)
        if synchronous:
            unread.update(started)
        for number in self._news.keys() & now:
            for news in self._news.pop(number):
                peers[number].tell(news)


class Slot:
    """A buffer for points, and the sends from it to each peer.

    Parameters
    ----------
    peers : list of Peer
        All peers by number; more may be added to the list.
    buffer : array
    """

    def __init__(self, peers: list[Peer], buffer: Floats) -> None:
        self._peers, self.buffer = peers, buffer
        self._plain: dict[int, MPI.Prequest] = {}
        self._synchronous: dict[int, MPI.Prequest] = {}
        self._started: dict[int, MPI.Prequest] = {}

    def start(self, numbers: list[int], synchronous: bool) -> dict[int, MPI.Prequest]:
        """Send what the buffer holds to these peers; return the sends by peer."""
        peers, sends = self._peers, self._synchronous if synchronous else self._plain
        for number in numbers:
            if number not in sends:
                send = peers[number].set_up_point(self.buffer, synchronous)
                if send is not None:
                    sends[number] = send
        started = {number: sends[number] for number in numbers if number in sends}
        start([*started.values()], peers, started)
        self._started.update(started)
        return started

    def is_free(self) -> bool:
        """Return whether the buffer is not being sent any more."""
        try:
            if MPI.Request.Testall([*self._started.values()]):
                self._started.clear()
                return True
        except MPI.Exception:
            pass  # the loss of a peer is noticed below
        for number in [n for n, send in self._started.items() if is_over(send, self._peers[n])]:
            del self._started[number]
        return not self._started

    def close(self) -> None:
        """Free the sends that have been set up, unless they are still under way."""
        if self.is_free():
            for send in (*self._plain.values(), *self._synchronous.values()):
                send.Free()


def is_over(send: MPI.Prequest, peer: Peer) -> bool:
    """Return whether a send has completed, or is of no use since the peer is gone."""
    try:
        return peer.gone or bool(send.Test())
    except MPI.Exception:
        peer.fail()
        return True
