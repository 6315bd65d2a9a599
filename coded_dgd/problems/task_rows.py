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

    def numbers(
        self,
        first: int,
        last: int,
        start: int = 0,
        height: int | None = None,
        padding: bool = False,
    ) -> tuple[Numbers, Counts]:
        """Return which rows of tasks `first` to `last` - 1 take part, and how many of each task.

        Numbers of rows begin with the first task. `EVERY`, as such, stands for all rows.

        Parameters
        ----------
        start, height : int
            First row of a window in each block, and its number of rows of each block; by default
            the window is the whole blocks.
        padding : bool
            Whether padding may be among the rows where that makes them simpler.
        """
        height = self.height if height is None else height
        if self.chosen is not None:
            rows = [_between(each, start, start + height) for each in self.chosen[first:last]]
            return _joined(rows, height)
        if padding or not self._counts:
            return EVERY, height
        counts = [min(max(end - start, 0), height) for end in self._counts[first:last]]
        if min(counts) == height:
            return EVERY, height
        if last == first + 1:
            return slice(counts[0]), counts
        return _joined([np.arange(count) for count in counts], height)


def taken(array: Reals, rows: Numbers) -> Reals:
    """Return rows of an array of shape (tasks, k, ...), as (rows, ...); a slice is a view."""
    return array.reshape(-1, *array.shape[2:])[rows]


def _between(rows: Integers, start: int, stop: int) -> Integers:
    """Return the rows from `start` to `stop` - 1 of ascending ones, counted from `start`."""
    first, last = np.searchsorted(rows, [start, stop])
    return rows[first:last] - start


def _joined(rows: Sequence[Integers], height: int) -> tuple[Numbers, Counts]:
    numbers = np.concatenate([place * height + each for place, each in enumerate(rows)])
    return numbers, [len(each) for each in rows]
