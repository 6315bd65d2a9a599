"""The payload matrix: messages are received into its rows, and decoded where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.engine.protocol import Floats, Reals, result_size

SMALL = 1 << 14
"""Payload numbers up to which those of several messages are checked at once, in a copy."""
PIECE_BYTES = 1 << 18
"""Size of the part of the rows that one product covers: it stays in the cache."""


class Payloads:
    """Rows for messages of at most `length` payload numbers, each with its header in front.

    A row is taken for a receive, holds the message as long as it may be used, and is freed. The
    first rows are one array; more are added in further arrays where they do not suffice, since a
    row must not move while a receive is posted for it. A row that was never taken occupies no
    memory.

    Attributes
    ----------
    buffers : list of (size,) arrays
        The messages, header and payload, by row: what a receive is posted for.
    """

    def __init__(self) -> None:
        self._dtype = np.dtype(np.float64)
        self._size = self._start = 0
        self._matrix: Reals = np.empty((0, 0))
        self._zeros: Reals = np.empty(0)
        self._headers: list[Floats] = []
        self._payloads: list[Reals] = []
        self._free: list[int] = []
        self.buffers: list[Reals] = []

    def reserve(self, length: int, dtype: str, rows: int) -> None:
        """Make the first rows; nothing if there are some already.

        Parameters
        ----------
        length : int
            Largest number of payload numbers in a message of the whole job.
        dtype : str
            Type of the payload numbers, float64 or float32.
        rows : int
            Number of rows in the first array.
        """
        if not self.buffers:
            self._dtype = np.dtype(dtype)
            self._size = result_size(length, dtype)
            self._start = self._size - length
            self._zeros = np.zeros(length, dtype)
            self._matrix = self._add(rows)

    def _add(self, rows: int) -> Reals:
        """Add an array of free rows, each aligned to 8 bytes; return it."""
        per_word = 8 // self._dtype.itemsize
        words = -(-self._size // per_word)
        array: Reals = np.empty((rows, words)).view(self._dtype)
        first = len(self.buffers)
        self.buffers += list(array[:, : self._size])
        self._payloads += [row[self._start : self._size] for row in array]
        self._headers += [row[: self._start].view(np.float64) for row in array]
        self._free += range(first + rows - 1, first - 1, -1)  # the first ones are taken first
        return array

    def take(self, count: int) -> list[int]:
        """Return the numbers of free rows, which are not free any more."""
        while len(self._free) < count:
            self._add(max(len(self.buffers), count))
        taken = self._free[-count:] if count else []
        del self._free[len(self._free) - count :]
        return taken[::-1]

    def free(self, rows: Iterable[int]) -> None:
        """Free rows; the messages in them are not used any more."""
        self._free.extend(rows)

    def length_of(self, size: int) -> int:
        """Return the number of payload numbers in a message of `size` bytes; negative if none."""
        return size // self._dtype.itemsize - self._start

    def headers(self, rows: Sequence[int]) -> list[list[float]]:
        """Return the headers of the messages in these rows, `HEADER` numbers each."""
        return [self._headers[row].tolist() for row in rows]

    def finite(self, rows: Sequence[int], length: int) -> list[bool]:
        """Whether all `length` payload numbers in each of these rows are finite."""
        zeros = self._zeros[:length]
        if len(rows) > 1 and len(rows) * length <= SMALL and max(rows) < len(self._matrix):
            # 0 times inf or nan is nan
            columns = slice(self._start, self._start + length)
            sums: list[float] = self._matrix[rows, columns].dot(zeros).tolist()
            return [each == 0.0 for each in sums]
        return [bool(self._payloads[row][:length].dot(zeros) == 0.0) for row in rows]

    def payload(self, row: int, length: int) -> Reals:
        """Return the payload in a row, of shape (length,), as a view."""
        return self._payloads[row][:length]

    def combine(self, weights: Floats, rows: Sequence[int], length: int) -> Floats:
        """Return the weighted sum of the payloads in these rows.

        Parameters
        ----------
        weights : (rows,) or (pieces, rows) array
        rows : sequence of int
        length : int
            Payload numbers in each.

        Returns
        -------
        (length,) or (pieces, length) array, float64
        """
        index = np.array(rows, dtype=np.intp)
        columns = max(1024, PIECE_BYTES // (8 * max(1, len(index))) // 1024 * 1024)
        if length <= columns:
            return weights @ self._gather(index, 0, length)
        combined = np.empty((*weights.shape[:-1], length))
        for first in range(0, length, columns):
            last = min(first + columns, length)
            combined[..., first:last] = weights @ self._gather(index, first, last)
        return combined

    def _gather(self, rows: NDArray[np.intp], first: int, last: int) -> Floats:
        """Payload numbers `first` to `last` - 1 of some rows, as float64."""
        columns = slice(self._start + first, self._start + last)
        gathered: NDArray[Any]
        if not len(rows) or rows.max() < len(self._matrix):
            gathered = self._matrix[:, columns][rows]
        else:
            gathered = np.array([self._payloads[row][first:last] for row in rows.tolist()])
        return gathered.astype(np.float64, copy=False)
