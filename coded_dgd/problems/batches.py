"""Mini-batches: rows that are drawn anew in each iteration, the same on every process.

The batch of an iteration is B of the m rows, drawn without replacement. A row belongs to it if a
pseudo-random permutation of the m rows, keyed by seed and iteration, puts it on one of the first B
places. So each process draws for the rows that it holds, and all copies of a row agree, whatever
the number of blocks is.

The permutation is a Feistel network on a power of two that is not less than m; a place
beyond m is permuted again until it is not (cycle walking; Black and Rogaway, "Ciphers with
arbitrary finite domains", CT-RSA 2002). It uses integers only, so that it is the same for every
processor and version of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError

Integers = NDArray[np.integer[Any]]
Words = NDArray[np.uint64]
Halves = NDArray[np.uint32]

ROUNDS = 8
"""Rounds of the Feistel network, an even number.

Four suffice if round functions are random (Luby and Rackoff, 1988)."""
FEWEST_BITS = 6
"""Binary digits of the least domain; in smaller ones the draws of pairs are not uniform."""
PURPOSE = 9
"""Number that keeps these draws apart from others with the same seed."""
FACTORS = np.array([0x85EBCA6B, 0xC2B2AE35], np.uint32)
SHIFTS = np.array([16, 13, 16], np.uint32)
"""Factors and shifts of the final mix of MurmurHash3, which is the round function."""


def parse(text: str) -> int | float | None:
    """Return the size that ``--batch`` names: rows, a fraction, or None for all rows.

    A number without a decimal point is a number of rows; any other is a fraction of all rows.

    Raises
    ------
    UsageError
        If the text is no number, or out of range.
    """
    try:
        rows = int(text)
    except ValueError:
        pass
    else:
        if rows < 1:
            raise UsageError(f"--batch {text}: give 1 row or more, or a fraction such as 0.1")
        return rows
    try:
        fraction = float(text)
    except ValueError:
        fraction = inf
    if not 0 < fraction <= 1:
        raise UsageError(
            f"--batch {text}: give a fraction of the rows, above 0 and up to 1.0, or a number of "
            "rows without a decimal point"
        )
    return None if fraction == 1 else fraction


def create(text: str, rows: int, seed: int) -> Batches | None:
    """Return the batches that ``--batch`` names, of data with this number of rows; None for none.

    Raises
    ------
    UsageError
        If the text is invalid, or a batch has more rows than the data.
    """
    size = parse(text)
    if size is None:
        return None
    if isinstance(size, float):
        size = max(1, round(size * rows))
    if size > rows:
        raise UsageError(
            f"--batch {text} is more than the {rows} rows of the data: use fewer, or 1.0 for all"
        )
    return Batches(rows, size, seed)


class Batches:
    """Batches are B of m rows, drawn without replacement and anew in each iteration.

    Parameters
    ----------
    rows : int
        m.
    size : int
        B.
    seed : int
    """

    def __init__(self, rows: int, size: int, seed: int) -> None:
        self.rows, self.size, self._seed = rows, size, seed
        bits = max(FEWEST_BITS, (rows - 1).bit_length())
        self._low_bits = np.uint64(bits // 2)
        self._low = np.uint32((1 << (bits // 2)) - 1)
        self._high = np.uint32((1 << (bits - bits // 2)) - 1)

    @property
    def scale(self) -> float:
        """Factor m / B, with which the mean of a batch's gradient is the gradient of all rows."""
        return self.rows / self.size

    def chosen(self, iteration: int, bounds: Sequence[tuple[int, int]]) -> list[Integers]:
        """Return the rows of some blocks that belong to the batch of an iteration.

        Parameters
        ----------
        bounds : sequence of tuple of int
            First row and end of each block.

        Returns
        -------
        list of arrays
            Rows of each block, ascending, counted from its first row.
        """
        if not bounds:
            return []
        counts = [last - first for first, last in bounds]
        if self.size < sum(counts):  # fewer numbers to permute: the places of the batch
            batch = self._permuted(iteration, np.arange(self.size, dtype=np.uint64), back=True)
            sorted_rows = np.sort(batch).astype(np.int64)
            ends = np.searchsorted(sorted_rows, np.array(bounds, np.int64)).tolist()
            return [
                sorted_rows[begin:end] - first
                for (begin, end), (first, _) in zip(ends, bounds, strict=True)
            ]
        rows = [np.arange(first, last, dtype=np.uint64) for first, last in bounds]
        belongs = self._permuted(iteration, np.concatenate(rows)) < np.uint64(self.size)
        return [np.flatnonzero(each) for each in np.split(belongs, np.cumsum(counts)[:-1])]

    def _permuted(self, iteration: int, numbers: Words, back: bool = False) -> Words:
        """Return where the permutation of an iteration puts some rows, or, back, takes them from.

        Parameters
        ----------
        numbers : array
            Rows, or, if `back` is true, places.
        """
        sequence = np.random.SeedSequence(self._seed, spawn_key=(PURPOSE, iteration))
        keys = list(enumerate(np.asarray(sequence.generate_state(ROUNDS), np.uint32)))
        rounds = keys[::-1] if back else keys
        found = self._passed(numbers, rounds)
        beyond = np.flatnonzero(found >= np.uint64(self.rows))
        while len(beyond):
            found[beyond] = self._passed(found[beyond], rounds)
            beyond = beyond[found[beyond] >= np.uint64(self.rows)]
        return found

    def _passed(self, numbers: Words, rounds: Sequence[tuple[int, np.uint32]]) -> Words:
        """Return what the rounds make of some numbers; each changes one half by the other."""
        high = (numbers >> self._low_bits).astype(np.uint32)
        low = (numbers & np.uint64(self._low)).astype(np.uint32)
        for number, key in rounds:
            if number % 2:
                low ^= _mixed(high ^ key) & self._low
            else:
                high ^= _mixed(low ^ key) & self._high
        passed: Words = (high.astype(np.uint64) << self._low_bits) | low
        return passed


def _mixed(words: Halves) -> Halves:
    """Return a hash of each word, in its own memory; the arithmetic is modulo 2^32."""
    words ^= words >> SHIFTS[0]
    words *= FACTORS[0]
    words ^= words >> SHIFTS[1]
    words *= FACTORS[1]
    words ^= words >> SHIFTS[2]
    return words
