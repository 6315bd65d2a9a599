"""What rank 0 has posted receives for, and the buffers that it comes into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coded_dgd.engine.protocol import Floats, Reals, result_parts, result_size
from coded_dgd.engine.transports.mpi.library import MPI, REPORT, REPORT_BYTES, RESULT
from coded_dgd.engine.transports.mpi.peer import Peer

NOBODY = -1
"""Source of a status that has been read."""


class Inbox:
    """Receives, two for each peer: its results, one after the other, and its reports.

    They are known by an index: results of peer p have 2 p, its reports 2 p + 1.
    """

    def __init__(self) -> None:
        self._peers: list[Peer] = []
        self._requests: list[MPI.Request] = []
        self._posted: list[bool] = []
        self._statuses: list[MPI.Status] = []
        self._buffers: list[Any] = []
        self._parts: dict[int, tuple[Floats, Reals]] = {}  # of the buffers of results, by peer
        self._groups: list[slice] = []
        """Receives of one communicator each: in another one ranks mean others."""

    def add(self, peers: Sequence[Peer]) -> None:
        """Listen to more peers, all of one communicator: to their reports, for the time being."""
        first = len(self._requests)
        for peer in peers:
            self._peers.append(peer)
            self._requests += [MPI.REQUEST_NULL] * 2
            self._posted += [False] * 2
            self._statuses += [MPI.Status(), MPI.Status()]
            self._buffers += [None, bytearray(REPORT_BYTES)]
            self.post(len(self._requests) - 1)
        self._groups.append(slice(first, len(self._requests)))

    def expect_results(self, number: int, length: int, dtype: str) -> None:
        """Listen to the results of a peer, with payloads of that length at most."""
        index = 2 * number
        if self._buffers[index] is None:
            self._buffers[index] = np.empty(result_size(length, dtype), dtype)
            self._parts[number] = result_parts(self._buffers[index])
            self.post(index)

    def post(self, index: int) -> None:
        """Wait for the next message in the place of one that has been read."""
        peer = self._peers[index // 2]
        if index % 2 and peer.report is not None:
            return  # a report is the last one
        tag = REPORT if index % 2 else RESULT
        self._requests[index] = peer.listen(self._buffers[index], tag)
        self._posted[index] = not peer.gone

    def post_all(self) -> None:
        """Wait for everything that may still come."""
        for index, buffer in enumerate(self._buffers):
            if not self._posted[index] and buffer is not None:
                self.post(index)

    def cancel(self) -> None:
        """Wait for nothing any more."""
        for index, request in enumerate(self._requests):
            if request != MPI.REQUEST_NULL:
                request.Cancel()
                try:
                    request.Wait()
                except MPI.Exception:
                    self._peers[index // 2].fail()

    def result(self, number: int, length: int) -> tuple[Floats, Reals]:
        """Return header and payload of a result of so many bytes that has arrived."""
        buffer = self._buffers[2 * number]
        if length == buffer.nbytes:
            return self._parts[number]
        return result_parts(buffer[: length // buffer.itemsize])

    def report(self, number: int, length: int) -> bytes:
        """Return the text of a report of so many bytes that has arrived."""
        return bytes(self._buffers[2 * number + 1][:length])

    def arrived(self) -> list[tuple[int, int]]:
        """Receives that have completed, and how many bytes came."""
        return [each for group in self._groups for each in self._test(group)]

    def _test(self, group: slice) -> list[tuple[int, int]]:
        some, requests, statuses = (
            MPI.Request.Testsome,
            self._requests[group],
            self._statuses[group],
        )
        try:
            # one call seldom completes a message that has just arrived
            indices = some(requests, statuses) or some(requests, statuses) or []
        except MPI.Exception:
            return self._salvage(group)
        arrived = []
        for position, status in zip(indices, statuses, strict=False):
            index = group.start + position
            self._posted[index] = False
            if not index % 2:
                self._peers[index // 2].received += 1
            self._peers[index // 2].silent = 0.0
            arrived.append((index, status.Get_count(MPI.BYTE)))
            status.source = NOBODY
        return arrived

    def _salvage(self, group: slice) -> list[tuple[int, int]]:
        """As `_test`, where a peer has been lost.

        The indices are gone with the exception: they are those of requests that have become null,
        and not every one of them has a status.
        """
        arrived, statuses = [], self._statuses[group]
        for index in range(group.start, group.stop):
            if not self._posted[index] or self._requests[index] != MPI.REQUEST_NULL:
                continue
            self._posted[index] = False
            peer = self._peers[index // 2]
            tag = REPORT if index % 2 else RESULT
            mine = [status for status in statuses if status.source == peer.rank]
            exact = [status for status in mine if status.tag == tag]
            classes = {MPI.Get_error_class(status.error) for status in mine}
            too_long = any(
                MPI.Get_error_class(status.error) == MPI.ERR_TRUNCATE for status in exact
            )
            lost = not exact or not classes <= {MPI.SUCCESS, MPI.ERR_TRUNCATE}
            if lost:
                peer.fail()
            else:
                peer.received += 1 - index % 2
                arrived.append((index, 0 if too_long else exact[0].Get_count(MPI.BYTE)))
        for status in statuses:
            status.error, status.source = 0, NOBODY
        return arrived
