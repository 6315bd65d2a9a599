"""The receives that rank 0 has posted for one kind of message, one for each peer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coded_dgd.engine.transports.mpi.library import MPI
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
        """Peers of one communicator each: in another one ranks mean other processes."""

    def add(self, peers: Sequence[Peer]) -> None:
        """Know more peers, all of one communicator; nothing is posted for them yet."""
        first = len(self._peers)
        self._peers += peers
        self._requests += [MPI.REQUEST_NULL] * len(peers)
        self._posted += [False] * len(peers)
        self._statuses += [MPI.Status() for _ in peers]
        self._groups.append(slice(first, len(self._peers)))

    def post(self, number: int, buffer: Any) -> None:
        """Receive the next message of a peer into `buffer`."""
        peer = self._peers[number]
        self._requests[number] = peer.listen(buffer, self._tag)
        self._posted[number] = not peer.gone

    def is_posted(self, number: int) -> bool:
        """Whether a receive is posted for a peer."""
        return self._posted[number]

    def cancel(self) -> None:
        """Cancel all that is posted."""
        for number, request in enumerate(self._requests):
            if request != MPI.REQUEST_NULL:
                request.Cancel()
                try:
                    request.Wait()
                except MPI.Exception:
                    self._peers[number].fail()

    def test(self) -> list[tuple[int, int]]:
        """Return the peers whose receive has completed, each with the number of bytes received.

        A message that was longer than its buffer has 0 bytes.
        """
        if len(self._groups) == 1:
            return self._test(self._groups[0])
        return [each for group in self._groups for each in self._test(group)]

    def _test(self, group: slice) -> list[tuple[int, int]]:
        test_some, statuses = MPI.Request.Testsome, self._statuses[group]
        requests = self._requests[group]
        try:
            positions = test_some(requests, statuses)
        except MPI.Exception:
            return self._salvage(group)
        if not positions:
            return []
        completed, first, posted = [], group.start, self._posted
        for position, status in zip(positions, statuses, strict=False):
            posted[first + position] = False
            completed.append((first + position, status.Get_count(MPI.BYTE)))
            status.source = NOBODY
        return completed

    def _salvage(self, group: slice) -> list[tuple[int, int]]:
        """As `_test`, where a peer has been lost.

        The positions are gone with the exception: they are those of requests that have become
        null, and not every one of them has a status.
        """
        completed, statuses = [], self._statuses[group]
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
                completed.append((number, 0 if too_long else exact[0].Get_count(MPI.BYTE)))
        for status in statuses:
            status.error, status.source = 0, NOBODY
        return completed
