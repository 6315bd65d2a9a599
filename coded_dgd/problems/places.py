"""Places say where the blocks of a worker's tasks are in the arrays that hold them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coded_dgd.problems.task_rows import EVERY, Integers, Numbers, Reals


class Places:
    """The places of the blocks of a worker's tasks among the blocks of an array.

    A worker that holds its own blocks has them in the order of its tasks. In the memory that the
    workers of a host share, the blocks of a worker may be anywhere.

    Parameters
    ----------
    numbers : sequence of int
        Index of the block of each task.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = np.array(numbers, np.int64)
        self._first = self._numbers.tolist()
        last = np.append(np.diff(self._numbers) != 1, True)[: len(numbers)]
        ends = np.flatnonzero(last) + 1
        self._ends: list[int] = np.repeat(ends, np.diff(ends, prepend=0)).tolist()
        """For each task, the end of the run of tasks with consecutive blocks that it is in."""

    def of(self, first: int, last: int) -> slice | Integers:
        """Return an index of the blocks of tasks `first` to `last` - 1.

        It is a slice, with which an array is not copied, if these blocks are consecutive.
        """
        if last > self._ends[first]:
            return self._numbers[first:last]
        return slice(self._first[first], self._first[first] + last - first)

    def rows(self, first: int, last: int, rows: Numbers, height: int) -> tuple[Integers, Integers]:
        """Return the blocks of some rows of tasks, and the number of each row in its block.

        Parameters
        ----------
        rows : slice or array
            Numbers of rows, which begin with task `first`; see `TaskRows.numbers`.
        height : int
            Number of rows of each block.
        """
        tasks, own = np.divmod(np.arange((last - first) * height)[rows], height)
        return self._numbers[first:last][tasks], own

    def taken(
        self, arrays: Sequence[Reals | None], first: int, last: int, rows: Numbers
    ) -> list[Reals | None]:
        """Return some rows of tasks from arrays of shape (blocks, k, ...), each as (rows, ...).

        Rows of consecutive blocks that are a slice are a view; others are a copy with the same
        order, so that a result has the same bits wherever the blocks are.

        Parameters
        ----------
        arrays : sequence of arrays
            The blocks, their labels and their sample weights, or None for what there is none of.
        """
        blocks = self.of(first, last)
        if isinstance(blocks, slice):
            return [None if each is None else _flat(each[blocks])[rows] for each in arrays]
        if rows is EVERY:
            return [None if each is None else _flat(each.take(blocks, 0)) for each in arrays]
        height = next(each.shape[1] for each in arrays if each is not None)
        index = self.rows(first, last, rows, height)
        return [None if each is None else each[index] for each in arrays]


def _flat(array: Reals) -> Reals:
    """Return an array of shape (blocks, k, ...) as (blocks * k, ...)."""
    return array.reshape(-1, *array.shape[2:])
