"""Everything that rank 0 receives: results into rows of the payload matrix, and text messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.transports.base import Batch
from coded_dgd.engine.transports.mpi.library import REPORT, REPORT_BYTES, RESULT
from coded_dgd.engine.transports.mpi.peer import Peer
from coded_dgd.engine.transports.mpi.receives import Receives
from coded_dgd.problems.layout import Layout

REPORT_SECONDS = 0.01
"""Longest time in seconds between two checks for text messages while results keep arriving."""


class Inbox:
    """The posted receives of rank 0, and the batch of what has arrived.

    Parameters
    ----------
    payloads : Payloads
        Matrix whose rows receive the results.
    on_text : callable
        Called with the number of a peer and the text message that it sent.

    Attributes
    ----------
    arrived : Batch
        Everything that has arrived since the last call of `take`.
    """

    def __init__(self, payloads: Payloads, on_text: Callable[[int, bytes], None]) -> None:
        self._payloads, self._on_text = payloads, on_text
        self._peers: list[Peer] = []
        self._results, self._reports = Receives(RESULT), Receives(REPORT)
        self._texts: list[bytearray] = []  # buffers of text messages, by peer
        self._rows: list[int] = []  # row of the next result, by peer; -1 if none is expected
        self._next_reports = 0.0
        self.arrived = Batch()

    def add(self, peers: Sequence[Peer]) -> None:
        """Receive the text messages of more peers, all of one communicator."""
        first = len(self._peers)
        self._peers += peers
        self._texts += [bytearray(REPORT_BYTES) for _ in peers]
        self._rows += [-1] * len(peers)
        self._results.add(peers)
        self._reports.add(peers)
        self._reports.post(range(first, len(self._peers)), self._texts[first:])

    def expect_results(self, number: int, layout: Layout, rows: int) -> None:
        """Receive the results of a peer, too.

        Parameters
        ----------
        layout : Layout
            Longest layout of the messages.
        rows : int
            Number of rows with which to begin, if there are none yet.
        """
        if self._payloads.reserve(layout, rows):  # the posted buffers are too short
            listening = [peer for peer, row in enumerate(self._rows) if row >= 0]
            self._results.cancel(listening)
            self._post_results(listening)
        if self._rows[number] < 0:
            self._post_results([number])

    def take(self) -> Batch:
        """Return what has arrived since the last call."""
        arrived, self.arrived = self.arrived, Batch()
        return arrived

    def collect(self) -> None:
        """Receive what has arrived, and post the next receives."""
        numbers, sizes = self._results.test()
        if not numbers:  # one call seldom completes a message that has just arrived
            numbers, sizes = self._results.test()
        now = monotonic()
        if numbers:
            self._take_results(numbers, sizes, now)
        if not numbers or now >= self._next_reports:
            self._next_reports = now + REPORT_SECONDS
            texts = self._reports.test()
            if texts[0]:  # results that were sent before a failure count
                numbers, sizes = self._results.test()
                self._take_results(numbers, sizes, now)
            for number, size in zip(*texts, strict=True):
                self._on_text(number, bytes(self._texts[number][:size]))
                if self._peers[number].report is None:  # the last text message
                    self._reports.post([number], [self._texts[number]])

    def _take_results(self, numbers: list[int], sizes: list[int], now: float) -> None:
        """Add results to the batch, and post the next receives."""
        arrived, payloads, rows = self.arrived, self._payloads, self._rows
        for number in numbers:
            self._peers[number].received += 1
        if any(self._peers[number].unreachable for number in numbers):
            # results of such a peer count as late, even if it sent them in time
            pairs = zip(numbers, sizes, strict=True)
            heard = [(n, size) for n, size in pairs if not self._peers[n].unreachable]
            numbers, sizes = [n for n, _ in heard], [size for _, size in heard]
        arrived.peers += numbers
        arrived.rows += [rows[number] for number in numbers]
        arrived.lengths += map(payloads.body_length_of, sizes)
        arrived.times += [now] * len(numbers)
        self._post_results(numbers)

    def _post_results(self, numbers: Sequence[int]) -> None:
        """Post a receive for the next result of each of these peers, in a row of its own."""
        rows = self._payloads.take(len(numbers))
        for number, row in zip(numbers, rows, strict=True):
            self._rows[number] = row
        self._results.post(numbers, [self._payloads.buffers[row] for row in rows])

    def post_all(self) -> None:
        """Post receives for everything that may still arrive."""
        everyone = range(len(self._peers))
        results = [n for n in everyone if self._rows[n] >= 0 and not self._results.is_posted(n)]
        self._results.post(results, [self._payloads.buffers[self._rows[n]] for n in results])
        reports = [
            n for n in everyone if not self._peers[n].report and not self._reports.is_posted(n)
        ]
        self._reports.post(reports, [self._texts[n] for n in reports])

    def cancel(self) -> None:
        """Cancel all receives."""
        everyone = range(len(self._peers))
        self._results.cancel(everyone)
        self._reports.cancel(everyone)
