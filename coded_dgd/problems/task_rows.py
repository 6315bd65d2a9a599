"""Task rows say which rows of a worker's tasks take part in its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer[Any]]
Reals = NDArray[np.floating[Any]]
Numbers = slice | Integers
"""Numbers of rows of several tasks, where those of a task follow those of the task before."""
Counts = int | list[int]
"""Number of rows of each task, or the same number for all."""

EVERY = slice(None)


class TaskRows:
    """Task rows select rows of the blocks of a worker: the data without padding, or a batch.

    Parameters
    ----------
    height : int
        Number of rows of each block, with padding.
    counts : sequence of int
        Number of rows of each block that are data, and come first; empty if all rows are data.
    """

    def __init__(self, height: int, counts: Sequence[int] = ()) -> None:
        self.height, self._counts = height, counts
        self.chosen: Sequence[Integers] | None = None
        """Rows of each block that belong to the batch, ascending; None if all rows take part."""

    def numbers(self, first: int, last: int, padding: bool = False) -> tuple[Numbers, Counts]:
        """Return which rows of tasks `first` to `last` - 1 take part, and how many of each task.

        Numbers of rows begin with the first task. `EVERY`, as such, stands for all rows.

        Parameters
        ----------
        padding : bool
            Whether padding may be among the rows where that makes them simpler.
        """
        if self.chosen is not None:
            return _joined(self.chosen[first:last], self.height)
        if padding or not self._counts:
            return EVERY, self.height
        counts = list(self._counts[first:last])
        if min(counts) == self.height:
            return EVERY, self.height
        if last == first + 1:
            return slice(counts[0]), counts
        return _joined([np.arange(count) for count in counts], self.height)


def _joined(rows: Sequence[Integers], height: int) -> tuple[Numbers, Counts]:
    numbers = np.concatenate([place * height + each for place, each in enumerate(rows)])
    return numbers, [len(each) for each in rows]
