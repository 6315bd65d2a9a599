"""Task rows say which rows of a worker's tasks take part in its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer[Any]]
Reals = NDArray[np.floating[Any]]
Index = tuple[int | Integers, slice | Integers] | None
"""Index of the rows of an array of shape (tasks, k, ...); None stands for all rows."""


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

    def count(self, task: int) -> int:
        """Return the number of rows of a task that are data."""
        return self._counts[task] if self._counts else self.height

    def index(self, first: int, last: int) -> tuple[Index, int | list[int]]:
        """Return the index of the rows of tasks `first` to `last` - 1, and their number per task.

        The index is for arrays whose first task is `first`. All rows of a task, or some rows of a
        single task, are a view; rows of several tasks are copied.
        """
        counts = [self.count(task) for task in range(first, last)]
        if min(counts) == self.height:
            return None, self.height
        if last == first + 1:
            return (0, slice(counts[0])), counts
        return _joined([np.arange(count) for count in counts]), counts


def taken(array: Reals, index: Index) -> Reals:
    """Return the rows with this index of an array of shape (tasks, k, ...), as (rows, ...)."""
    return array.reshape(-1, *array.shape[2:]) if index is None else array[index]


def _joined(rows: Sequence[Integers]) -> Index:
    return np.repeat(np.arange(len(rows)), [len(each) for each in rows]), np.concatenate(rows)
