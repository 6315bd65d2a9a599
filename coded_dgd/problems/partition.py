"""The split of m rows into N blocks, read through windows of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

WINDOW = 1 << 24
"""Bytes that are held at once while data are encoded: of input, and of what becomes of it."""
OWN_WINDOW = 1 << 22
"""The same on a worker, for its own blocks only."""
DATA_IN_FLIGHT = 1 << 25
"""Bytes of encoded data that rank 0 has on their way to the workers before it waits."""


class Window(NamedTuple):
    """The same rows of each block: X : (N, k, l), y : (N, k), starting at row `start`."""

    start: int
    X: Floats
    y: Floats


class Partition:
    """N contiguous blocks whose numbers of rows differ by one at most.

    Parameters
    ----------
    rows : int
        m.
    blocks : int
        N. Blocks are filled up to ``height`` = ceil(m/N) rows by rows of zeros, which change no
        gradient (Ozfatura et al., Section II-B); for N > m some are all zero.
    """

    def __init__(self, rows: int, blocks: int) -> None:
        self.rows, self.blocks = rows, blocks
        self.height = -(-rows // blocks)

    def bounds(self, block: int) -> tuple[int, int]:
        """First row of a block, and the first row after it."""
        return block * self.rows // self.blocks, (block + 1) * self.rows // self.blocks

    def windows(
        self, source: Source, size: int = WINDOW, blocks: Sequence[int] | None = None
    ) -> Iterator[Window]:
        """Read blocks, by default all, side by side, about `size` bytes at a time, in one pass."""
        chosen = range(self.blocks) if blocks is None else blocks
        row_bytes = 8 * len(chosen) * (source.features + 1)
        step = max(1, min(self.height, size // row_bytes))
        for start in range(0, self.height, step):
            stop = min(start + step, self.height)
            X = np.zeros((len(chosen), stop - start, source.features))
            y = np.zeros((len(chosen), stop - start))
            for place, block in enumerate(chosen):
                first, last = self.bounds(block)
                low, high = min(first + start, last), min(first + stop, last)
                if low < high:
                    X[place, : high - low], y[place, : high - low] = source.read(low, high)
            yield Window(start, X, y)
