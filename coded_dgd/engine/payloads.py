"""The payload matrix: messages are received into its rows, and decoded in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.engine.protocol import Floats, Reals, result_size
from coded_dgd.problems.layout import Layout

SMALL = 1 << 14
"""Numbers in the bodies of the messages that are checked at once, in a copy."""
SHORT = 1 << 10
"""Length of the rows up to which each peer has rows of its own, whose receives are set up once."""
PIECE_BYTES = 1 << 18
"""Size of the part of the rows that one product covers, which stays in the cache."""


class Payloads:
    """Rows for messages. Each row holds a header and a body (`problems.layout`).

    A row is taken for a receive, holds the message as long as it may be used, and is freed. The
    first rows are one array. If they do not suffice, more arrays are added, since a row must not
    move while a receive is posted for it. A row that was never taken occupies no memory. Rows that
    are too short for a new code are not taken again. A row that has been taken for one peer is
    taken again only for that peer, so that the receive into it can be set up once.

    Attributes
    ----------
    buffers : list of (size,) arrays
        The buffer of each row, for header and body, into which a message is received.
    short : bool
        Whether rows are so short that each peer may have rows of its own.
    """

    def __init__(self) -> None:
        self._dtype = np.dtype(np.float64)
        self._size = self._start = 0
        self._matrix: Reals = np.empty((0, 0))
        self._first = 0  # number of its first row
        self._zeros: Reals = np.empty(0)
        self._headers: list[Floats] = []
        self._bodies: list[Reals] = []
        self._free: list[int] = []
        self._free_of: dict[int, list[int]] = {}  # by peer
        self._lists: list[list[int]] = []
        """The list of free rows to which each row returns."""
        self.buffers: list[Reals] = []
        self.short = True

    def reserve(self, layout: Layout, rows: int) -> bool:
        """Allocate rows for messages of this layout, unless the present rows suffice.

        Parameters
        ----------
        layout : Layout
            Layout of the longest messages; all messages of the job have its type.
        rows : int
            Number of rows in the first array, at least.

        Returns
        -------
        bool
            Whether rows taken before are not to be used for receives any more.
        """
        size = result_size(layout.body_length, layout.dtype)
        if size <= self._size and rows <= len(self._matrix):
            return False
        self._dtype, self._size = np.dtype(layout.dtype), max(size, self._size)
        self._start, self.short = size - layout.body_length, self._size <= SHORT
        self._zeros = np.zeros(self._size - self._start, layout.dtype)
        self._free, self._free_of, self._first = [], {}, len(self.buffers)
        self._matrix = self._add(max(rows, 2 * len(self._matrix)))
        return True

    def _add(self, rows: int) -> Reals:
        """Add an array of free rows, each aligned to 8 bytes; return the array."""
        per_word = 8 // self._dtype.itemsize
        words = -(-self._size // per_word)
        array: Reals = np.empty((rows, words)).view(self._dtype)
        first = len(self.buffers)
        self.buffers += list(array[:, : self._size])
        self._bodies += [row[self._start : self._size] for row in array]
        self._headers += [row[: self._start].view(np.float64) for row in array]
        self._free += range(first + rows - 1, first - 1, -1)  # the first ones are taken first
        self._lists += [self._free] * rows
        return array

    def take(self, count: int) -> list[int]:
        """Take free rows and return their numbers."""
        while len(self._free) < count:
            self._add(max(len(self.buffers), count))
        taken = self._free[-count:] if count else []
        del self._free[len(self._free) - count :]
        return taken[::-1]

    def take_for(self, peers: Iterable[int]) -> list[int]:
        """Take a free row for each of these peers, which no other peer uses; return the numbers."""
        of_peers = self._free_of
        return [own.pop() if (own := of_peers.get(peer)) else self._further(peer) for peer in peers]

    def _further(self, peer: int) -> int:
        """Take a free row that only this peer uses from now on."""
        (row,) = self.take(1)
        self._lists[row] = self._free_of.setdefault(peer, [])
        return row

    def free(self, rows: Iterable[int]) -> None:
        """Free rows whose messages are no longer used."""
        lists, first = self._lists, self._first
        for row in rows:
            if row >= first:
                lists[row].append(row)

    def body_lengths(self, sizes: Iterable[int]) -> list[int]:
        """Return the lengths of the bodies of messages of `sizes` bytes; negative if none."""
        itemsize, start = self._dtype.itemsize, self._start
        return [size // itemsize - start for size in sizes]

    def headers(self, rows: Sequence[int]) -> list[list[float]]:
        """Return the headers of the messages in these rows, `HEADER` numbers each."""
        return [self._headers[row].tolist() for row in rows]

    @np.errstate(invalid="ignore")
    def inspect(self, rows: Sequence[int], layout: Layout) -> tuple[list[list[float]], bool]:
        """Return the headers of the messages in these rows, and whether all bodies are finite."""
        length = layout.body_length
        at_once = SMALL // max(1, length)
        if layout.extras or not at_once or not self._in_matrix(rows):
            return self.headers(rows), all(self.is_finite(row, layout) for row in rows)
        headers, finite, places = list[list[float]](), True, self._places(rows)
        for first in range(0, len(places), at_once):
            messages = self._matrix[places[first : first + at_once], : self._start + length]
            headers += messages[:, : self._start].view(np.float64).tolist()
            products = messages[:, self._start :].dot(self._zeros[:length])
            finite &= not products.any()  # 0 times inf or nan is nan, which counts as true
        return headers, finite

    @np.errstate(invalid="ignore")
    def is_finite(self, row: int, layout: Layout) -> bool:
        """Whether all extras and payload numbers in a row are finite."""
        extras, payload = layout.parts(self._bodies[row][: layout.body_length])
        finite = bool(payload.dot(self._zeros[: layout.length]) == 0.0)
        return finite and bool(np.isfinite(extras).all())

    def body(self, row: int, layout: Layout) -> Reals:
        """Return the body of the message in a row, of shape (words,), as a view."""
        return self._bodies[row][: layout.body_length]

    def extras(self, rows: Sequence[int], layout: Layout) -> Floats:
        """Return the extras of the messages in these rows, of shape (rows, extras)."""
        found = [layout.parts(self.body(row, layout))[0] for row in rows]
        return np.array(found, np.float64).reshape(len(rows), len(layout.extras))

    def combine(self, weights: Floats, rows: Sequence[int], layout: Layout) -> Floats:
        """Return the weighted sum of the payloads in these rows.

        Parameters
        ----------
        weights : (rows,) or (pieces, rows) array
        rows : sequence of int
        layout : Layout
            What the messages carry.

        Returns
        -------
        (length,) or (pieces, length) array, float64
        """
        index = np.array(rows, dtype=np.intp)
        last, length = layout.body_length, layout.length
        first = last - length
        columns = max(1024, PIECE_BYTES // (8 * max(1, len(index))) // 1024 * 1024)
        if length <= columns:
            return weights @ self._gather(index, first, last)
        combined = np.empty((*weights.shape[:-1], length))
        for begin in range(first, last, columns):
            end = min(begin + columns, last)
            combined[..., begin - first : end - first] = weights @ self._gather(index, begin, end)
        return combined

    def _gather(self, rows: NDArray[np.intp], first: int, last: int) -> Floats:
        """Return numbers `first` to `last` - 1 of the bodies in these rows, as float64."""
        gathered: NDArray[Any]
        if self._in_matrix(rows.tolist()):
            gathered = self._matrix[:, self._columns(first, last)][rows - self._first]
        else:
            gathered = np.array([self._bodies[row][first:last] for row in rows.tolist()])
        return gathered.astype(np.float64, copy=False)

    def _columns(self, first: int, last: int) -> slice:
        """Return the columns of the matrix that hold these numbers of the bodies."""
        return slice(self._start + first, self._start + last)

    def _places(self, rows: Sequence[int]) -> Sequence[int]:
        """Return the indices of these rows in the first array."""
        return [row - self._first for row in rows] if self._first else rows

    def _in_matrix(self, rows: Sequence[int]) -> bool:
        """Whether all these rows are in the first array."""
        end = self._first + len(self._matrix)
        return not rows or (min(rows) >= self._first and max(rows) < end)
