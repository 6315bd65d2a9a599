"""The arrival time of each message, kept in a file so that a long run needs no more memory."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from coded_dgd.engine.protocol import Floats
from coded_dgd.files import writing

RECENT, RECENT_BYTES = 64, 1 << 20
"""Number of iterations whose times are kept in memory, since late arrivals are mostly theirs, and
the bytes that all of them may take if that is less; at least two iterations are kept."""


class ArrivalLog:
    """Arrival times of shape (iterations, M, J), written to a file during the run.

    Entry (t, i, j) is the time in seconds from sending beta_t until message j of worker i arrives,
    even if it is too late to be used; nan if it has not arrived.

    Parameters
    ----------
    shape : (int, int)
        M and J.
    path : Path, optional
        Where to write the times; by default a temporary file. Existing content is kept.
    first : int
        Number of the first iteration in the file.

    Raises
    ------
    StorageError
        The file cannot be written. Every method may raise it.
    """

    def __init__(self, shape: tuple[int, ...], path: Path | None = None, first: int = 0) -> None:
        self.shape, self.first = shape, first
        self._length = 8 * int(np.prod(shape))
        self._kept = max(2, min(RECENT, RECENT_BYTES // max(1, self._length)))
        self._path = path or Path(tempfile.gettempdir())
        self._file: IO[bytes]
        with writing(self._path):
            if path is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the log)
            else:
                self._file = path.open("r+b" if path.exists() else "w+b")
        weakref.finalize(self, self._file.close)  # in case a run ends with an error
        self._row: Floats = np.full(shape, np.nan)
        self._recent: dict[int, Floats] = {}  # rows of the latest iterations, the oldest first
        self._late: set[int] = set()
        """Recent iterations whose row holds more than the file."""

    def begin(self, iteration: int) -> None:
        """Start the row of an iteration, or restart it."""
        if iteration not in self._recent and len(self._recent) == self._kept:
            oldest = next(iter(self._recent))
            if oldest in self._late:
                self._write(oldest)
            del self._recent[oldest]
        self._row = self._recent.setdefault(iteration, np.empty(self.shape))
        self._row.fill(np.nan)
        self._fill(iteration - self.first)

    def note(self, iteration: int, worker: int, message: int, elapsed: float) -> None:
        """Record one arrival, of this iteration or an earlier one."""
        if iteration in self._recent:
            row = self._recent[iteration]
            row[worker, message] = elapsed
            if row is not self._row and iteration not in self._late:
                self._late.add(iteration)
        elif iteration >= self.first:
            index = worker * self.shape[1] + message
            offset = (iteration - self.first) * self._length + 8 * index
            self._put(np.float64(elapsed).tobytes(), offset)

    def note_all(self, keys: Sequence[tuple[int, int]], elapsed: Sequence[float]) -> None:
        """Record arrivals of this iteration, given by worker and message, in seconds."""
        row = self._row
        for key, seconds in zip(keys, elapsed, strict=True):
            row[key] = seconds

    def end(self, iteration: int) -> None:
        """Write the row of a completed iteration."""
        self._write(iteration)

    def read(self, iterations: int) -> Floats:
        """Return the times of the first `iterations` iterations, mapped from the file."""
        if not iterations or not self._length:
            return np.empty((iterations, *self.shape))
        self._write_late()
        self._fill(iterations)
        return np.memmap(self._file, np.float64, "r", shape=(iterations, *self.shape))

    def _write(self, iteration: int) -> None:
        """Write the row of a recent iteration."""
        self._late.discard(iteration)
        self._put(self._recent[iteration].tobytes(), (iteration - self.first) * self._length)

    def _put(self, content: bytes, offset: int) -> None:
        """Write all of `content`.

        A full disk may accept a part only, and the missing rest would read as 0.
        """
        with writing(self._path):
            while content:
                written = os.pwrite(self._file.fileno(), content, offset)
                content, offset = content[written:], offset + written

    def _write_late(self) -> None:
        for iteration in [*self._late]:
            self._write(iteration)

    def _fill(self, iterations: int) -> None:
        """Append nan for the iterations that are missing, up to `iterations`."""
        missing = iterations * self._length - os.fstat(self._file.fileno()).st_size
        if missing > 0:
            known = iterations - -(-missing // self._length)
            nan = np.full((iterations - known, *self.shape), np.nan)
            self._put(nan.tobytes(), known * self._length)

    def close(self) -> None:
        """Close the file."""
        self._write_late()
        self._file.close()
