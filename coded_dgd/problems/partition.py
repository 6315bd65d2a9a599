"""A partition splits m rows into N blocks, which are read through windows of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

WINDOW = 1 << 24
"""Number of bytes of input and output that are held at once while data are encoded."""
OWN_WINDOW = 1 << 22
"""Number of bytes that a worker holds at once while it makes its own blocks."""
DATA_IN_FLIGHT = 1 << 25
"""Number of bytes of encoded data in flight to the workers at which rank 0 waits."""


class Window(NamedTuple):
    """A window holds rows `start`, ... of each block: X : (N, k, l), y : (N, k)."""

    start: int
    X: Floats
    y: Floats


Memory = Callable[[int, int], tuple[Any, Any]]
"""Returns arrays X : (N, k, l) and y : (N, k) for rows `start` to `stop` of each block."""


class ReusedMemory:
    """Memory for one window after the other, of which each overwrites the one before.

    Parameters
    ----------
    blocks : int
        Number of blocks in a window.
    features : int
    """

    def __init__(self, blocks: int, features: int) -> None:
        self._shape = blocks, features
        self._X = self._y = np.empty(0)

    def __call__(self, start: int, stop: int) -> tuple[Floats, Floats]:
        blocks, features = self._shape
        labels = blocks * (stop - start)
        if self._y.size < labels:
            self._X, self._y = np.empty(labels * features), np.empty(labels)
        X = self._X[: labels * features].reshape(blocks, -1, features)
        return X, self._y[:labels].reshape(blocks, -1)


class Partition:
    """A partition has N contiguous blocks whose numbers of rows differ by at most one.

    Blocks are padded to ``height`` = ceil(m/N) rows with rows of zeros (Ozfatura et al., Section
    II-B), which do not take part in gradients and losses. For N > m some blocks are all zero.

    Parameters
    ----------
    rows : int
        m.
    blocks : int
        N.
    """

    def __init__(self, rows: int, blocks: int) -> None:
        self.rows, self.blocks = rows, blocks
        self.height = -(-rows // blocks)

    def bounds(self, block: int) -> tuple[int, int]:
        """Return the first row of a block and the first row after it."""
        return block * self.rows // self.blocks, (block + 1) * self.rows // self.blocks

    def with_weights(
        self, start: int, y: Floats, weights: Floats | None, blocks: Sequence[int] | None = None
    ) -> Floats:
        """Return the labels of a window joined with the sample weights of its rows.

        Parameters
        ----------
        start : int
            Number of the first row of the window in each block.
        y : (N, k) array
            Labels of the window.
        weights : (m,) array, optional
            Sample weights of all rows; None if all are one.
        blocks : sequence of int, optional
            Blocks of the window, by default all.

        Returns
        -------
        (N, k) or (N, 2, k) array
            The labels, and the weights if there are any; padding has weight 0.
        """
        if weights is None:
            return y
        joined = np.stack([y, np.zeros_like(y)], axis=1)
        for place, block in enumerate(range(self.blocks) if blocks is None else blocks):
            first, last = self.bounds(block)
            own = weights[first + start : min(first + start + y.shape[1], last)]
            joined[place, 1, : len(own)] = own
        return joined

    def windows(
        self,
        source: Source,
        size: int = WINDOW,
        blocks: Sequence[int] | None = None,
        memory: Memory | None = None,
    ) -> Iterator[Window]:
        """Yield windows of some blocks, by default all, each of about `size` bytes, in one pass.

        Parameters
        ----------
        memory : callable, optional
            Memory that receives rows `start` to `stop` of every block; by default new arrays.
        """
        chosen = range(self.blocks) if blocks is None else blocks
        row_bytes = 8 * len(chosen) * (source.features + 1)
        step = max(1, min(self.height, size // row_bytes))
        for start in range(0, self.height, step):
            stop = min(start + step, self.height)
            if memory:
                X, y = memory(start, stop)
            else:
                X = np.empty((len(chosen), stop - start, source.features))
                y = np.empty((len(chosen), stop - start))
            for place, block in enumerate(chosen):
                first, last = self.bounds(block)
                low, high = min(first + start, last), min(first + stop, last)
                if low < high:
                    source.read(low, high, (X[place, : high - low], y[place, : high - low]))
                X[place, high - low :] = y[place, high - low :] = 0
            yield Window(start, X, y)
