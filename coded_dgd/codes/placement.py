"""A placement says what a worker holds: copies of some data blocks, or combinations of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]
Placement = NDArray[np.int64] | Floats
"""Indices of copied blocks, of shape (tasks,), or rows of the generator matrix, (tasks, N)."""


def encode(placement: Placement, blocks: Floats, out: Floats | None = None) -> Floats:
    """Return the held blocks (tasks, ...) of data blocks (N, ...); coded ones are put in `out`."""
    if placement.ndim == 1:
        return blocks[placement]
    coded: Floats = np.matmul(placement, blocks.reshape(len(blocks), -1), out=out)
    return coded.reshape(len(placement), *blocks.shape[1:])


class Encoder:
    """An encoder makes the blocks that several workers hold, window by window.

    Each window takes one matrix product for all combinations of blocks, in reused memory.

    Parameters
    ----------
    placements : sequence of Placement
        Placement of each worker.
    dtype : str
        Type of the blocks that it makes.
    """

    def __init__(self, placements: Sequence[Placement], dtype: str = "float64") -> None:
        self._placements, self._dtype = placements, dtype
        self._rows = sum(map(len, placements))
        self._coded = any(each.ndim == 2 for each in placements)
        self._matrix = np.concatenate([*placements]) if self._coded else np.empty(0)
        self._memory = np.empty(0)

    def input(self, window: int, blocks: int) -> int:
        """Return the number of bytes of input in a window of `window` bytes of input and output."""
        return window * blocks // (blocks + self._rows)

    def encode(self, X: Any, y: Floats | None) -> Iterator[tuple[Any, Reals | None]]:
        """Yield blocks and labels of each worker, as new arrays.

        Copied rows may also be sparse.
        """
        coded = self._product(X) if self._coded else X.astype(self._dtype, copy=False)
        labels = None if y is None else y.astype(self._dtype, copy=False)
        first = 0
        for placement in self._placements:
            last = first + len(placement)
            own = coded[first:last].astype(self._dtype) if self._coded else coded[placement]
            yield own, None if labels is None else encode(placement, labels)
            first = last

    def _product(self, X: Floats) -> Floats:
        size = self._rows * X[0].size
        if self._memory.size < size:
            self._memory = np.empty(size)
        return encode(self._matrix, X, self._memory[:size].reshape(self._rows, -1))
