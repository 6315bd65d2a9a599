"""A worker holds blocks of rows and computes the results of tasks on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.objectives import Objective, follows_slope
from coded_dgd.problems.task_rows import Counts, TaskRows, taken

Reals = NDArray[np.floating[Any]]
"""Arrays of the one floating-point type with which a worker computes."""
Arrays = tuple[Reals, Reals | None]
"""Blocks of rows, and their labels or None, see `Blocks.load`."""


class Blocks(ABC):
    """Blocks are the (coded) blocks of one worker; each block is one task."""

    @abstractmethod
    def load(self, start: int, X: Any, y: Reals | None) -> None:
        """Store rows `start`, ... of every block.

        Parameters
        ----------
        X : (tasks, k, l) array, or sparse rows
        y : (tasks, k) array, (tasks, 2, k) array, or None
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
    arrays : tuple of arrays
        X and y of all rows as in `load`, already filled or to be loaded.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.X, self._labels = arrays
        self.y, self.weights = labels_and_weights(self._labels)

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        rows = slice(start, start + X.shape[1])
        self.X[:, rows] = X
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
    """

    def __init__(self, arrays: Arrays, objective: Objective, rows: TaskRows | None = None) -> None:
        super().__init__(arrays)
        self._gradient = evaluation.gradient_of(objective)
        self._objective = objective
        self._rows = rows or TaskRows(self.X.shape[1])
        self._padding = follows_slope(objective) and evaluation.is_built_in(objective)

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

    def _taken(
        self, first: int, last: int, padding: bool = False
    ) -> tuple[Reals, Reals | None, Reals | None, Counts]:
        """Return the rows of these tasks, their labels and weights, and their number per task."""
        rows, counts = self._rows.numbers(first, last, padding=padding)
        tasks = slice(first, last)
        y = None if self.y is None else taken(self.y[tasks], rows)
        weights = None if self.weights is None else taken(self.weights[tasks], rows)
        return taken(self.X[tasks], rows), y, weights, counts


class ProductBlocks(DenseBlocks):
    """On product blocks a task is the product with beta, one number for each row."""

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        del labels  # there are none
        results: Reals = self.X[first:last] @ beta
        return results.sum(axis=0) if factors is None else factors @ results


class GramBlocks(LabelledBlocks):
    """On Gram blocks a task is the gradient of least squares, G beta - c.

    G = X^T X, of shape (l, l), c = X^T y and ||y||^2 of each block are accumulated while rows are
    loaded; the rows are not kept. `engine.kernels` decides whether that pays.
    """

    def __init__(self, tasks: int, features: int, labels: bool, dtype: str) -> None:
        self.G: Reals = np.zeros((tasks, features, features), dtype)
        self.c: Reals | None = np.zeros((tasks, features), dtype) if labels else None
        self._yy = np.zeros(tasks)

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        for task, rows in enumerate(X):
            self.G[task] += rows.T @ rows
            if self.c is not None and y is not None:
                self.c[task] += y[task] @ rows
                self._yy[task] += y[task] @ y[task]

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        results: Reals = self.G[first:last] @ beta
        if labels and self.c is not None:
            results = results - self.c[first:last]
        return results.sum(axis=0) if factors is None else factors @ results

    def loss(self, first: int, last: int, beta: Reals, factors: Reals | None) -> float:
        assert self.c is not None
        half = self.G[first:last] @ beta / 2 - self.c[first:last]
        return weighted(half @ beta + self._yy[first:last] / 2, factors)


def weighted(losses: NDArray[np.float64], factors: Reals | None) -> float:
    """Return the sum of losses, each times its factor."""
    return float(losses.sum() if factors is None else factors.astype(np.float64) @ losses)


def labels_and_weights(y: Reals | None) -> tuple[Reals | None, Reals | None]:
    """Return labels and sample weights of rows, each of shape (tasks, k) or None; see `load`."""
    return (y, None) if y is None or y.ndim == 2 else (y[:, 0], y[:, 1])


def no_rows(
    tasks: int, height: int, features: int, labels: bool, dtype: str, weights: bool = False
) -> Arrays:
    """Return arrays of zeros for blocks that are not loaded yet."""
    X = np.zeros((tasks, height, features), dtype)
    shape = (tasks, 2, height) if weights else (tasks, height)
    return X, np.zeros(shape, dtype) if labels else None
