"""An objective is a sum over the rows of [X | y]."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeGuard

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]
"""Arrays are float64, or float32 on the workers of a run with ``--dtype float32``."""

CACHE_BYTES = 1 << 19
"""Size in bytes of a piece of X that stays in a core's cache between its two products."""
SMALL_BYTES = 1 << 22
"""Size in bytes up to which the whole of X is in the cache anyway."""
ROWS_OF_KERNEL = 4
"""Number of rows that BLAS takes at once in the second product. A piece has a multiple of it: with
rows left over, or with fewer, the products may be slower than memory."""


class Objective(ABC):
    """An objective is a loss that is a sum over rows, together with its gradient.

    Replication-based schemes need nothing else. A loss of X beta is shorter to write as a
    `LinearModel`.

    Results must depend on the arguments only, not on earlier calls, and methods must not modify
    their arguments. Before training starts, an objective from outside the package is tried on a
    few rows of the data (`problems.trial`) and refused if it breaks its declarations.
    """

    degree: ClassVar[int | None] = None
    """Degree of the gradient: 2 if it is A(X) beta + c(X, y), else None.

    Degree 2 means that without labels (y = None) the gradient is linear in beta and a quadratic
    form in X, as X^T X beta is, and that labels add a term that does not depend on beta. Coded
    schemes need it: their workers hold combinations of rows and no labels, and the master adds the
    gradient at beta = 0. A gradient whose rows have factors that depend on y or on the row itself
    is not of degree 2."""

    curvature: ClassVar[float | None] = None
    """Bound c with Hessian <= c X^T X, used by ``--step-size auto``; None if no bound is known.

    If the number p of parameters is not l, c bounds the largest eigenvalue of the Hessian by c
    times the largest eigenvalue of X^T X."""

    runs_own_code: ClassVar[bool] = False
    """Whether an objective of this package runs code of the user, so that it is tried like one."""

    overhead_bytes: ClassVar[float] = 0.0
    """Memory in bytes that the objective needs in each process besides the data.

    It is that of the libraries that the objective imports; memory predictions include it."""

    overhead_seconds: ClassVar[float] = 0.0
    """Processor time in seconds that each process needs to import those libraries."""

    def size(self, features: int) -> int:
        """Return p, the number of parameters of the model for data of l columns; by default l."""
        return features

    def start(self, features: int, seed: int) -> Reals:
        """Return the initial parameters, of shape (p,); by default zeros.

        The method is called once, on rank 0. A network whose parameters must not be equal draws
        them from ``numpy.random.default_rng(seed)``, with the seed of the run.
        """
        del seed
        return np.zeros(self.size(features))

    @abstractmethod
    def gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        """Return the gradient of the sum over rows of weight * loss.

        Parameters
        ----------
        X : (k, l) array
        y : (k,) array, or None for all zero
            Labels of the rows; None is passed only if `degree` is 2.
        beta : (p,) array
            Parameters; p is the result of `size`.
        weights : (k,) array, or None for all one

        Returns
        -------
        (p,) array
        """

    @abstractmethod
    def loss(self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None) -> float:
        """Return the sum over rows of weight * loss; the arguments are those of `gradient`.

        An objective whose method has no `weights` cannot be used with sample weights.
        """

    def check_labels(self, y: Reals) -> str | None:
        """Return a description of valid labels if these are invalid, else None.

        Parameters
        ----------
        y : (C,) array
            The distinct labels of the data, ascending.
        """
        del y
        return None

    def learn_classes(self, classes: Reals) -> None:
        """Take note of the distinct labels of the data, for models whose size depends on them.

        If `encode_labels` returns numbers, the method is called on every process before all
        methods other than `check_labels` and `encode_labels`.

        Parameters
        ----------
        classes : (C,) array
            The distinct labels of the data, ascending.
        """
        del classes

    def encode_labels(self, classes: Reals) -> Reals | None:
        """Return the numbers that replace the labels of a classifier in training.

        The method is only called with labels that `check_labels` accepts. All other methods get
        these numbers as y; ``summary.json`` keeps the labels of the data as `classes`.

        Parameters
        ----------
        classes : (C,) array
            The distinct labels of the data, ascending.

        Returns
        -------
        (C,) array or None
            One number for each class; None to train with the labels themselves.
        """
        del classes
        return None

    def scores(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
    ) -> dict[str, float]:
        """Return sums over rows of weight * further figures to report, such as right predictions.

        The arguments are those of `loss`.
        """
        del X, y, beta, weights
        return {}

    def predict(self, X: Reals, beta: Reals) -> Reals | None:
        """Return what the model predicts for each row: a label as y is in training.

        By default it is None: models of the objective cannot be used for predictions.

        Parameters
        ----------
        X : (k, l) array
        beta : (p,) array

        Returns
        -------
        (k,) array or None
            For a classifier, the numbers of `encode_labels` that stand for the classes.
        """
        del X, beta
        return None

    def probabilities(self, X: Reals, beta: Reals) -> Reals | None:
        """Return the probability of each class, of shape (k, C), in ascending order of classes.

        The arguments are those of `predict`. By default it is None: there are no probabilities.
        """
        del X, beta
        return None


class LinearModel(Objective):
    """A linear model has a loss of the margins of a row and its label.

    With one output the margin of a row is z = x^T beta. With K outputs beta is a (K, l) matrix,
    flattened row by row, and a row has the K margins beta x.
    """

    outputs: int = 1
    """Number K of margins of a row."""

    def size(self, features: int) -> int:
        """Return K l, the number of parameters."""
        return self.outputs * features

    @abstractmethod
    def slope(self, z: Reals, y: Reals | None) -> Reals:
        """Return the derivative of each row's loss with respect to its margins.

        Parameters
        ----------
        z : (k,) array, or (k, K) array for K > 1 outputs
        y : (k,) array, or None for all zero

        Returns
        -------
        array of the shape of z
        """

    def losses(self, z: Reals, y: Reals) -> Reals:
        """Return the loss of each row, of shape (k,); the arguments are those of `slope`."""
        raise NotImplementedError(f"{type(self).__name__} defines neither losses nor loss")

    def margins(self, X: Reals, beta: Reals) -> Reals:
        """Return the margins of rows, of shape (k,), or (k, K) for K > 1 outputs."""
        matrix = beta if self.outputs == 1 else beta.reshape(self.outputs, -1).T
        margins: Reals = X.dot(matrix)  # faster than @ for small arrays
        return margins

    def loss(self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None) -> float:
        """Return the sum over rows of weight * loss, by `losses` of the margins in float64."""
        margins = self.margins(X, beta).astype(np.float64, copy=False)
        return total(self.losses(margins, y), weights)

    def gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        """Return the gradient X^T (weights * slope) in one pass over memory.

        Both products with a piece of X are computed while that piece is in the cache.
        """
        if X.nbytes > SMALL_BYTES:
            rows = rows_at_once(len(X), X.shape[1], X.itemsize)
            if rows < len(X):
                return self._in_pieces(X, y, beta, weights, rows)
        slope = self.slope(self.margins(X, beta), y).T
        if weights is not None:
            slope = slope * weights
        if slope.dtype != X.dtype:
            slope = slope.astype(X.dtype)
        gradient: Reals = slope.dot(X)
        return gradient if self.outputs == 1 else gradient.ravel()

    def _in_pieces(
        self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None, rows: int
    ) -> Reals:
        """Return the sum of the gradients of pieces of X, each of so many rows."""
        summed = np.zeros(len(beta), X.dtype)
        for start in range(0, len(X), rows):
            piece = slice(start, start + rows)
            summed += LinearModel.gradient(  # and not that of a subclass, which may add to it
                self,
                X[piece],
                None if y is None else y[piece],
                beta,
                None if weights is None else weights[piece],
            )
        return summed


def total(values: NDArray[Any], weights: Reals | None) -> float:
    """Return the sum over rows of weight * value; the arrays have shape (k,)."""
    return float(values.sum() if weights is None else weights @ values)


def follows_slope(objective: Objective) -> TypeGuard[LinearModel]:
    """Return whether the gradient is that of `LinearModel`, so that `slope` determines it."""
    own = type(objective)
    return (
        issubclass(own, LinearModel)
        and own.gradient is LinearModel.gradient
        and own.margins is LinearModel.margins
        and own.size is LinearModel.size
    )


def rows_at_once(rows: int, features: int, itemsize: int = 8) -> int:
    """Return the number of rows of X for which both products are computed within the cache.

    That is all rows if X is small, or too wide for pieces to pay.
    """
    fitting = CACHE_BYTES // (itemsize * max(1, features))
    fitting -= fitting % ROWS_OF_KERNEL
    small = itemsize * rows * features <= SMALL_BYTES
    return rows if small or not fitting else fitting
