"""A worker holds blocks of rows and computes the results of tasks on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.objectives import Objective, follows_slope
from coded_dgd.problems.places import Places
from coded_dgd.problems.task_rows import Counts, TaskRows

Reals = NDArray[np.floating[Any]]
"""Arrays of the one floating-point type with which a worker computes."""
Arrays = Sequence[Any]
"""Arrays that hold blocks, filled or to be loaded, in memory of the worker or of its host."""
Forms = list[tuple[tuple[int, ...], str]]
"""Shape and type of each of the arrays that hold blocks."""


_Taken = tuple[Reals, Reals | None, Reals | None, Counts]
"""Rows of tasks, their labels and weights, and their number per task."""


class Blocks(ABC):
    """Blocks are the (coded) blocks that tasks of one worker need; each task has one block.

    They may be among more blocks, which workers of a host share.
    """

    @abstractmethod
    def load(self, start: int, X: Any, y: Reals | None) -> None:
        """Store rows `start`, ... of every block.

        Parameters
        ----------
        X : (blocks, k, l) array, or sparse rows
        y : (blocks, k) array, (blocks, 2, k) array, or None
            Labels, below which may be the sample weights of the rows.
        """

    @abstractmethod
    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        """Return the sum of the results of tasks `first` to `last` - 1.

        Parameters
        ----------
        beta : (p,) array
        factors : (last - first,) array, or None for all one
            Factor of each result in the sum.
        labels : bool
            Whether the labels take part. Without them, the gradient of an objective of degree 2 is
            the product of its Hessian and `beta`.
        """


class LabelledBlocks(Blocks):
    """Labelled blocks are copies of blocks with their labels, so that they also have a loss."""

    @abstractmethod
    def loss(self, first: int, last: int, beta: Reals, factors: Reals | None) -> float:
        """Return the sum of the losses of tasks `first` to `last` - 1, without rows of padding.

        The arguments are the same as in `result`.
        """


class DenseBlocks(Blocks):
    """Dense blocks hold all rows in one array.

    Parameters
    ----------
    arrays : sequence of arrays
        Arrays of the forms of `row_forms`.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.X: Reals = arrays[0]
        self._labels: Reals | None = arrays[1] if len(arrays) > 1 else None
        self.y, self.weights = labels_and_weights(self._labels)

    def memory(self, start: int, stop: int) -> tuple[Reals, Reals | None]:
        """Return the memory of rows `start` to `stop` of every block, and of their labels.

        Once it is filled, `load` takes these arrays without a copy.
        """
        rows = slice(start, stop)
        return self.X[:, rows], None if self.y is None else self.y[:, rows]

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        rows = slice(start, start + X.shape[1])
        self.X[:, rows] = X  # numpy copies nothing that is there already
        if self._labels is not None and y is not None:
            self._labels[..., rows] = y


class GradientBlocks(DenseBlocks, LabelledBlocks):
    """On gradient blocks a task is the gradient of an objective, without rows of padding.

    The gradient of a built-in `LinearModel` is a multiple of x for each row, so that rows of zeros
    change nothing. They are left in, as a product with all rows of several blocks needs no copy.

    Parameters
    ----------
    rows : TaskRows, optional
        Rows that take part; by default all.
    places : Places, optional
        Blocks of the tasks; by default task i has block i.
    """

    def __init__(
        self,
        arrays: Arrays,
        objective: Objective,
        rows: TaskRows | None = None,
        places: Places | None = None,
    ) -> None:
        super().__init__(arrays)
        self._places = places or Places(range(len(self.X)))
        self._gradient = evaluation.gradient_of(objective)
        self._objective = objective
        self._rows = rows or TaskRows(self.X.shape[1])
        self._padding = follows_slope(objective) and evaluation.is_built_in(objective)
        self._views: dict[tuple[int, int, bool], _Taken] = {}
        """Rows of tasks that are views, as they are the same in each iteration."""

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        X, y, weights, counts = self._taken(first, last, self._padding)
        if not len(X):
            return np.zeros_like(beta)
        if factors is not None:
            repeated = np.repeat(factors, counts)
            weights = repeated if weights is None else repeated * weights
        return self._gradient(X, y if labels else None, beta, weights)

    def loss(self, first: int, last: int, beta: Reals, factors: Reals | None) -> float:
        losses = np.zeros(last - first)
        for place, task in enumerate(range(first, last)):
            X, y, weights, _ = self._taken(task, task + 1)
            assert y is not None
            if len(X):
                losses[place] = evaluation.loss(self._objective, X, y, beta, weights)
        return weighted(losses, factors)

    def _taken(self, first: int, last: int, padding: bool = False) -> _Taken:
        """Return the rows of these tasks, their labels and weights, and their number per task."""
        batch, key = self._rows.chosen is not None, (first, last, padding)
        if key in self._views and not batch:
            return self._views[key]
        rows, counts = self._rows.numbers(first, last, padding)
        held = self.X, self.y, self.weights
        X, y, weights = self._places.taken(held, first, last, rows)
        assert X is not None
        taken = X, y, weights, counts
        if not batch and np.may_share_memory(X, self.X):
            self._views[key] = taken
        return taken


class ProductBlocks(DenseBlocks):
    """On product blocks a task is the product with beta, one number for each row."""

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        del labels  # there are none
        return combined(self.X[first:last] @ beta, factors)


class GramBlocks(LabelledBlocks):
    """On Gram blocks a task is the gradient of least squares, G beta - c.

    G = X^T X, of shape (l, l), c = X^T y and ||y||^2 of each block are accumulated while rows are
    loaded; the rows are not kept. `engine.kernels` decides whether that pays.

    Parameters
    ----------
    arrays : sequence of arrays
        Arrays of the forms of `gram_forms`.
    places : Places, optional
        Blocks of the tasks; by default task i has block i.
    """

    def __init__(self, arrays: Arrays, places: Places | None = None) -> None:
        self.G: Reals = arrays[0]
        self.c: Reals | None = None
        if len(arrays) > 1:
            self.c, self._yy = arrays[1:]
        self._places = places or Places(range(len(self.G)))

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        for block, rows in enumerate(X):
            self.G[block] += rows.T @ rows
            if self.c is not None and y is not None:
                self.c[block] += y[block] @ rows
                self._yy[block] += y[block] @ y[block]

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        blocks = self._places.of(first, last)
        results: Reals = self.G[blocks] @ beta
        if labels and self.c is not None:
            results = results - self.c[blocks]
        return combined(results, factors)

    def loss(self, first: int, last: int, beta: Reals, factors: Reals | None) -> float:
        assert self.c is not None
        blocks = self._places.of(first, last)
        half = self.G[blocks] @ beta / 2 - self.c[blocks]
        return weighted(half @ beta + self._yy[blocks] / 2, factors)


def combined(results: Reals, factors: Reals | None) -> Reals:
    """Return the sum of results of tasks, of shape (tasks, p), each times its factor."""
    if factors is not None:
        return factors @ results
    total: Reals = results[0] if len(results) == 1 else results.sum(axis=0)
    return total


def weighted(losses: NDArray[np.float64], factors: Reals | None) -> float:
    """Return the sum of losses, each times its factor."""
    return float(losses.sum() if factors is None else factors.astype(np.float64) @ losses)


def labels_and_weights(y: Reals | None) -> tuple[Reals | None, Reals | None]:
    """Return labels and sample weights of rows, each of shape (tasks, k) or None; see `load`."""
    return (y, None) if y is None or y.ndim == 2 else (y[:, 0], y[:, 1])


def row_forms(
    blocks: int, height: int, features: int, labels: tuple[int, ...] | None, dtype: str
) -> Forms:
    """Return the forms of the arrays of dense blocks: the rows, and the labels if there are any.

    Parameters
    ----------
    labels : tuple of int, optional
        Shape of the labels of a block, see `Blocks.load`; None for none.
    """
    forms: Forms = [((blocks, height, features), dtype)]
    return forms if labels is None else [*forms, ((blocks, *labels), dtype)]


def gram_forms(blocks: int, features: int, labels: bool, dtype: str) -> Forms:
    """Return the forms of the arrays of Gram blocks: G, and c and ||y||^2 if there are labels."""
    forms: Forms = [((blocks, features, features), dtype)]
    return [*forms, ((blocks, features), dtype), ((blocks,), "float64")] if labels else forms


def zeros(forms: Forms) -> Arrays:
    """Return arrays of zeros of these forms, for blocks that are not loaded yet."""
    return [np.zeros(*form) for form in forms]
