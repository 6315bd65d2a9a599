"""The receives that rank 0 has posted for one kind of message, one for each peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coded_dgd.engine.transports.mpi.library import MPI, RESULT
from coded_dgd.engine.transports.mpi.peer import Peer, start

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
        self._set_up: dict[int, MPI.Prequest] = {}  # by row
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

    def post_rows(
        self, numbers: Sequence[int], rows: Sequence[int], buffers: Sequence[Any]
    ) -> None:
        """Post a receive for each of these peers into a row of its own, set up at its first use.

        Parameters
        ----------
        numbers : sequence of int
            The peers.
        rows : sequence of int
            A row for each peer, which no other peer uses.
        buffers : sequence of arrays
            The buffers of all rows.
        """
        peers, set_up = self._peers, self._set_up
        if not set_up.keys() >= set(rows):
            for number, row in zip(numbers, rows, strict=True):
                if row not in set_up:
                    request = peers[number].set_up_receive(buffers[row], self._tag)
                    if request:
                        set_up[row] = request
        here = [number for number in numbers if not peers[number].gone]
        if len(here) < len(numbers):
            pairs = zip(numbers, rows, strict=True)
            rows = [row for number, row in pairs if not peers[number].gone]
        active = [set_up[row] for row in rows]
        for number, request in zip(here, active, strict=True):
            self._requests[number], self._posted[number] = request, True
        start(active, peers, here)

    def forget_rows(self) -> None:
        """Free the receives that have been set up. None of them may be posted."""
        for request in self._set_up.values():
            request.Free()
        self._set_up.clear()

    def is_posted(self, number: int) -> bool:
        """Return whether a receive is posted for a peer."""
        return self._posted[number]

    def cancel(self, numbers: Iterable[int]) -> None:
        """Cancel the receives of these peers; a message that has arrived is discarded."""
        for number in numbers:
            request, status = self._requests[number], MPI.Status()
            if not self._posted[number]:
                continue
            request.Cancel()
            self._posted[number] = False
            try:
                request.Wait(status)
            except MPI.Exception:
                self._peers[number].fail()
            else:
                self._peers[number].received += not status.Is_cancelled() and self._tag == RESULT

    def progress(self) -> None:
        """Let MPI take in what has arrived, since one `test` alone sees only what it has."""
        try:
            for request, posted in zip(self._requests, self._posted, strict=True):
                if posted:  # MPI takes in nothing for the others
                    request.Get_status()
                    return
        except MPI.Exception:
            pass  # `test` reports it

    def test(self) -> tuple[list[int], list[int]]:
        """Return the peers whose receive has completed, and the bytes that each has sent.

        A message longer than its buffer counts as 0 bytes.
        """
        numbers, sizes = list[int](), list[int]()
        for group in self._groups:
            statuses, requests = self._statuses, self._requests
            if len(self._groups) > 1:
                statuses, requests = statuses[group], requests[group]
            try:
                positions = MPI.Request.Testsome(requests, statuses)
            except MPI.Exception:
                completed = self._salvage(group)
                numbers += completed[0]
                sizes += completed[1]
                continue
            if not positions:
                continue
            numbers += [group.start + position for position in positions]
            for position, status in zip(positions, statuses, strict=False):
                self._posted[group.start + position] = False
                sizes.append(status.Get_count(MPI.BYTE))
                status.source = NOBODY
        return numbers, sizes

    def _salvage(self, group: slice) -> tuple[list[int], list[int]]:
        """Return the same as `test` for one communicator, on which a peer has been lost.

        The exception discards the positions of the completed requests. They are the requests that
        are no longer active, and some of them have no status.
        """
        numbers, sizes, statuses = list[int](), list[int](), self._statuses[group]
        for number in range(group.start, group.stop):
            if not self._posted[number]:
                continue
            peer, late = self._peers[number], MPI.Status()
            try:
                if not self._requests[number].Test(late):
                    continue
            except MPI.Exception as error:
                late.source, late.tag, late.error = peer.rank, self._tag, error.Get_error_class()
            self._posted[number] = False
            mine = [status for status in (*statuses, late) if status.source == peer.rank]
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
