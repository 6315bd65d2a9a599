"""What an objective is: a sum over the rows of [X | y]."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeGuard

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]
"""float64, or float32 on the workers of a run that asks for it."""

CACHE_BYTES = 1 << 19
"""A piece of X that stays in a core's cache between its two products."""
SMALL_BYTES = 1 << 22
"""X up to this size is in the cache anyway."""
FEWEST_ROWS = 4
"""With fewer rows in a piece the products are slower than memory."""


class Objective(ABC):
    """A loss that is a sum over rows, and its gradient.

    This is all that replication-based schemes need. For losses of X beta, `LinearModel` is less to
    write.

    Results depend on the arguments only, whatever was called before, and arguments are left as they
    are. Before training starts, an objective that does not belong to the package is tried on a few
    rows of the data (`problems.trial`): one that is not what it declares is refused.
    """

    degree: ClassVar[int | None] = None
    """2 if the gradient is A(X) beta + c(X, y): without labels (y = None) linear in beta and a
    quadratic form in X, as X^T X beta is, and labels add a term that does not depend on beta. None
    for all others. Coded schemes need 2: their workers hold combinations of rows and no labels, and
    the master adds the gradient at beta = 0. Factors of rows that depend on y or on the row itself
    are not of degree 2."""

    curvature: ClassVar[float | None] = None
    """Bound c with Hessian <= c X^T X, for ``--step-size auto``; None where there is none. With
    p other than l parameters: no eigenvalue of the Hessian is larger than c times the largest of
    X^T X."""

    def size(self, features: int) -> int:
        """Return p, how many parameters the model has for data of l columns; by default l."""
        return features

    def start(self, features: int, seed: int) -> Reals:
        """Return the parameters that training begins with, of shape (p,); by default zeros.

        Called once, on rank 0. A network whose parameters must not be equal draws them from
        ``numpy.random.default_rng(seed)``, with the seed of the run.
        """
        del seed
        return np.zeros(self.size(features))

    @abstractmethod
    def gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        """Gradient of the sum over rows of weight * loss.

        Parameters
        ----------
        X : (k, l) array
        y : (k,) array, or None for all zero
            None only where `degree` is 2.
        beta : (p,) array
            As many parameters as `size` says.
        weights : (k,) array, or None for all one

        Returns
        -------
        (p,) array
            Rows of zeros with label 0 (padding) have to contribute nothing.
        """

    @abstractmethod
    def loss(self, X: Reals, y: Reals, beta: Reals) -> float:
        """Loss of the rows."""

    def check_labels(self, y: Reals) -> str | None:
        """Return what labels have to be where these are not, else None.

        Parameters
        ----------
        y : (C,) array
            The distinct labels of the data, ascending.
        """
        del y
        return None

    def encode_labels(self, classes: Reals) -> Reals | None:
        """Return the numbers that a classifier trains with instead of its labels.

        Only called with labels that `check_labels` accepts. All other methods get these numbers as
        y; the labels of the data are kept as `classes` in ``summary.json``.

        Parameters
        ----------
        classes : (C,) array
            The distinct labels of the data, ascending.

        Returns
        -------
        (C,) array or None
            A number for each class; None to train with the labels as they are.
        """
        del classes
        return None

    def scores(self, X: Reals, y: Reals, beta: Reals) -> dict[str, float]:
        """Sums over the rows of further figures to report, such as right predictions."""
        del X, y, beta
        return {}


class LinearModel(Objective):
    """A loss of the margin z = x^T beta and the label."""

    @abstractmethod
    def slope(self, z: Reals, y: Reals | None) -> Reals:
        """Derivative of the loss with respect to the margin, of shape (k,)."""

    def gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        """Both products of a piece of X while that is in the cache: one pass over memory."""
        if X.nbytes <= SMALL_BYTES:
            return self._gradient(X, y, beta, weights)
        rows = rows_at_once(len(X), X.shape[1], X.itemsize)
        total = np.zeros(X.shape[1], X.dtype)
        for start in range(0, len(X), rows):
            piece = slice(start, start + rows)
            total += self._gradient(
                X[piece],
                None if y is None else y[piece],
                beta,
                None if weights is None else weights[piece],
            )
        return total

    def _gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        slope = self.slope(X.dot(beta), y)  # of small arrays faster than @
        if weights is not None:
            slope = slope * weights
        if slope.dtype != X.dtype:
            slope = slope.astype(X.dtype)
        gradient: Reals = slope.dot(X)
        return gradient


def follows_slope(objective: Objective) -> TypeGuard[LinearModel]:
    """Whether the gradient is that of `LinearModel`, so that the slope says everything about it."""
    own = type(objective)
    return (
        isinstance(objective, LinearModel)
        and own.gradient is LinearModel.gradient
        and own.size is Objective.size
    )


def rows_at_once(rows: int, features: int, itemsize: int = 8) -> int:
    """Rows of X of which both products are computed while they are in the cache; all if it is small
    or too wide for that to pay.
    """
    fitting = CACHE_BYTES // (itemsize * max(1, features))
    small = itemsize * rows * features <= SMALL_BYTES
    return rows if small or fitting < FEWEST_ROWS else fitting
