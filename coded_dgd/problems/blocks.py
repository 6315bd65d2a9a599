"""Blocks of rows as a worker holds them, and the results of tasks on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.objectives import Objective

Reals = NDArray[np.floating[Any]]
"""Of the one type that a worker computes with."""
Arrays = tuple[Reals, Reals | None]
"""Blocks of rows and their labels, if they have any."""


class Blocks(ABC):
    """The (coded) blocks of one worker, one task each."""

    @abstractmethod
    def load(self, start: int, X: Any, y: Reals | None) -> None:
        """Take rows `start`, ... of every block: X : (tasks, k, l), y : (tasks, k) or None."""

    @abstractmethod
    def result(self, first: int, last: int, beta: Reals, factors: Reals | None) -> Reals:
        """Sum of the results of tasks `first` to `last` - 1.

        Parameters
        ----------
        beta : (l,) array
        factors : (last - first,) array, or None for all one
            Factor of each result in the sum.
        """


class DenseBlocks(Blocks):
    """All rows as one array.

    Parameters
    ----------
    arrays : tuple of arrays
        X : (tasks, k, l) and y : (tasks, k) or None, there already or to be loaded.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.X, self.y = arrays

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        rows = slice(start, start + X.shape[1])
        self.X[:, rows] = X
        if self.y is not None and y is not None:
            self.y[:, rows] = y


class GradientBlocks(DenseBlocks):
    """Blocks on which a task is the gradient of an objective."""

    def __init__(self, arrays: Arrays, objective: Objective) -> None:
        super().__init__(arrays)
        self._gradient = evaluation.gradient_of(objective)

    def result(self, first: int, last: int, beta: Reals, factors: Reals | None) -> Reals:
        X = self.X[first:last]
        y = None if self.y is None else self.y[first:last].ravel()
        weights = None if factors is None else np.repeat(factors, X.shape[1])
        return self._gradient(X.reshape(-1, X.shape[-1]), y, beta, weights)


class ProductBlocks(DenseBlocks):
    """Blocks on which a task is the product with beta, one number for each row."""

    def result(self, first: int, last: int, beta: Reals, factors: Reals | None) -> Reals:
        results: Reals = self.X[first:last] @ beta
        return results.sum(axis=0) if factors is None else factors @ results


class GramBlocks(Blocks):
    """Blocks on which a task is the gradient of least squares, G beta - c.

    G = X^T X, of shape (l, l), and c = X^T y of each block are formed as its rows come, which are
    not kept: whether that pays is for `engine.kernels` to say.
    """

    def __init__(self, tasks: int, features: int, labels: bool, dtype: str) -> None:
        self.G: Reals = np.zeros((tasks, features, features), dtype)
        self.c: Reals | None = np.zeros((tasks, features), dtype) if labels else None

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        for task, rows in enumerate(X):
            self.G[task] += rows.T @ rows
            if self.c is not None and y is not None:
                self.c[task] += y[task] @ rows

    def result(self, first: int, last: int, beta: Reals, factors: Reals | None) -> Reals:
        results: Reals = self.G[first:last] @ beta
        if self.c is not None:
            results = results - self.c[first:last]
        return results.sum(axis=0) if factors is None else factors @ results


def no_rows(tasks: int, height: int, features: int, labels: bool, dtype: str) -> Arrays:
    """Arrays of zeros for blocks that are yet to be loaded."""
    X = np.zeros((tasks, height, features), dtype)
    return X, np.zeros((tasks, height), dtype) if labels else None
