"""The receives that rank 0 has posted for one kind of message, one for each peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coded_dgd.engine.transports.mpi.library import MPI, RESULT
from coded_dgd.engine.transports.mpi.peer import Peer

NOBODY = -1
"""Source of a status that has been read."""


class Receives:
    """Receives for messages of one tag, at most one for each peer at a time.

    Parameters
    ----------
    tag : int
    """

    def __init__(self, tag: int) -> None:
        self._tag = tag
        self._peers: list[Peer] = []
        self._requests: list[MPI.Request] = []
        self._posted: list[bool] = []
        self._statuses: list[MPI.Status] = []
        self._groups: list[slice] = []
        """Slices of the peers, one for each communicator, in which ranks have their meaning."""

    def add(self, peers: Sequence[Peer]) -> None:
        """Add peers, all of one communicator, without posting receives for them."""
        first = len(self._peers)
        self._peers += peers
        self._requests += [MPI.REQUEST_NULL] * len(peers)
        self._posted += [False] * len(peers)
        self._statuses += [MPI.Status() for _ in peers]
        self._groups.append(slice(first, len(self._peers)))

    def post(self, numbers: Iterable[int], buffers: Iterable[Any]) -> None:
        """Post a receive for the next message of each of these peers, with a buffer for each."""
        peers, requests, posted, tag = self._peers, self._requests, self._posted, self._tag
        for number, buffer in zip(numbers, buffers, strict=True):
            peer = peers[number]
            requests[number] = peer.listen(buffer, tag)
            posted[number] = not peer.gone

    def is_posted(self, number: int) -> bool:
        """Return whether a receive is posted for a peer."""
        return self._posted[number]

    def cancel(self, numbers: Iterable[int]) -> None:
        """Cancel the receives of these peers; a message that has arrived is discarded."""
        for number in numbers:
            request, status = self._requests[number], MPI.Status()
            if request == MPI.REQUEST_NULL:
                continue
            request.Cancel()
            self._posted[number] = False
            try:
                request.Wait(status)
            except MPI.Exception:
                self._peers[number].fail()
            else:
                self._peers[number].received += not status.Is_cancelled() and self._tag == RESULT

    def test(self) -> tuple[list[int], list[int]]:
        """Return the peers whose receive has completed, and the bytes that each has sent.

        A message longer than its buffer counts as 0 bytes.
        """
        if len(self._groups) == 1:
            return self._test(self._groups[0])
        numbers, sizes = list[int](), list[int]()
        for group in self._groups:
            completed = self._test(group)
            numbers += completed[0]
            sizes += completed[1]
        return numbers, sizes

    def _test(self, group: slice) -> tuple[list[int], list[int]]:
        statuses, first = self._statuses[group], group.start
        try:
            positions = MPI.Request.Testsome(self._requests[group], statuses)
        except MPI.Exception:
            return self._salvage(group)
        if not positions:
            return [], []
        numbers = [first + position for position in positions]
        sizes = []
        for number, status in zip(numbers, statuses, strict=False):
            self._posted[number] = False
            sizes.append(status.Get_count(MPI.BYTE))
            status.source = NOBODY
        return numbers, sizes

    def _salvage(self, group: slice) -> tuple[list[int], list[int]]:
        """Return the same as `_test` after a peer has been lost.

        The exception discards the positions of the completed requests. They are the requests that
        have become null, and some of them have no status.
        """
        numbers, sizes, statuses = list[int](), list[int](), self._statuses[group]
        for number in range(group.start, group.stop):
            if not self._posted[number] or self._requests[number] != MPI.REQUEST_NULL:
                continue
            self._posted[number] = False
            peer = self._peers[number]
            mine = [status for status in statuses if status.source == peer.rank]
            exact = [status for status in mine if status.tag == self._tag]
            classes = {MPI.Get_error_class(status.error) for status in mine}
            too_long = any(
                MPI.Get_error_class(status.error) == MPI.ERR_TRUNCATE for status in exact
            )
            if not exact or not classes <= {MPI.SUCCESS, MPI.ERR_TRUNCATE}:
                peer.fail()
            else:
                numbers.append(number)
                sizes.append(0 if too_long else exact[0].Get_count(MPI.BYTE))
        for status in statuses:
            status.error, status.source = 0, NOBODY
        return numbers, sizes
