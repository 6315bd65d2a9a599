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
"""Longest time in seconds between two checks for text messages while results are awaited."""


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
            self._results.forget_rows()
            self._listen(listening)
        if self._rows[number] < 0:
            self._listen([number])

    def take(self) -> Batch:
        """Return what has arrived since the last call."""
        arrived, self.arrived = self.arrived, Batch()
        return arrived

    def collect(self, texts: bool = True) -> None:
        """Receive what has arrived, and post the next receives.

        Parameters
        ----------
        texts : bool
            Whether to check for text messages in any case, and not only from time to time.
        """
        self._reports.progress()
        numbers, sizes = self._results.test()
        now = monotonic()
        if numbers:
            self._take_results(numbers, sizes, now)
        if texts or now >= self._next_reports:
            self._next_reports = now + REPORT_SECONDS
            senders, lengths = self._reports.test()
            if senders:  # results that were sent before a failure count
                numbers, sizes = self._results.test()
                self._take_results(numbers, sizes, now)
            for number, size in zip(senders, lengths, strict=True):
                self._on_text(number, bytes(self._texts[number][:size]))
                if self._peers[number].report is None:  # the last text message
                    self._reports.post([number], [self._texts[number]])

    def _take_results(self, numbers: list[int], sizes: list[int], now: float) -> None:
        """Add results to the batch, and post the next receives."""
        arrived, payloads, peers, away = self.arrived, self._payloads, self._peers, False
        for number in numbers:
            peer = peers[number]
            peer.received += 1
            away |= peer.unreachable
        if away:  # results of such a peer count as late, even if it sent them in time
            pairs = zip(numbers, sizes, strict=True)
            heard = [(n, size) for n, size in pairs if not peers[n].unreachable]
            numbers, sizes = [n for n, _ in heard], [size for _, size in heard]
        arrived.peers += numbers
        arrived.lengths += payloads.body_lengths(sizes)
        arrived.times += [now] * len(numbers)
        arrived.rows += [self._rows[number] for number in numbers]
        self._listen(numbers)

    def _listen(self, numbers: Sequence[int]) -> None:
        """Receive the next result of each of these peers in another row."""
        payloads = self._payloads
        rows = payloads.take_for(numbers) if payloads.short else payloads.take(len(numbers))
        for number, row in zip(numbers, rows, strict=True):
            self._rows[number] = row
        if payloads.short:
            self._results.post_rows(numbers, rows, payloads.buffers)
        else:
            self._results.post(numbers, [payloads.buffers[row] for row in rows])

    def post_all(self) -> None:
        """Post receives for everything that may still arrive."""
        everyone = range(len(self._peers))
        self._listen([n for n in everyone if self._rows[n] >= 0 and not self._results.is_posted(n)])
        reports = [
            n for n in everyone if not self._peers[n].report and not self._reports.is_posted(n)
        ]
        self._reports.post(reports, [self._texts[n] for n in reports])

    def close(self) -> None:
        """Cancel and free all receives."""
        everyone = range(len(self._peers))
        self._results.cancel(everyone)
        self._results.forget_rows()
        self._reports.cancel(everyone)
