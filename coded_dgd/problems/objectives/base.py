"""What an objective is: a sum over the rows of [X | y]."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Objective(ABC):
    """A loss that is a sum over rows, and its gradient.

    This is all that replication-based schemes need. For losses of X beta, `LinearModel` is less to
    write.
    """

    degree: ClassVar[int | None] = None
    """Degree of the gradient as a polynomial in X where y = 0; None where it is not one. Coded
    schemes need 2."""

    curvature: ClassVar[float | None] = None
    """Bound c with Hessian <= c X^T X, for ``--step-size auto``; None where there is none."""

    @abstractmethod
    def gradient(self, X: Floats, y: Floats | None, beta: Floats, weights: Floats | None) -> Floats:
        """Gradient of the sum over rows of weight * loss.

        Parameters
        ----------
        X : (k, l) array
        y : (k,) array, or None for all zero
        beta : (l,) array
        weights : (k,) array, or None for all one

        Returns
        -------
        (l,) array
            Rows of zeros (padding) have to contribute nothing.
        """

    @abstractmethod
    def loss(self, X: Floats, y: Floats, beta: Floats) -> float:
        """Loss of the rows."""

    def check_labels(self, y: Floats) -> str | None:
        """Return what labels have to be where these are not, else None."""
        del y
        return None

    def scores(self, X: Floats, y: Floats, beta: Floats) -> dict[str, float]:
        """Sums over the rows of further figures to report, such as right predictions."""
        del X, y, beta
        return {}


class LinearModel(Objective):
    """A loss of the margin z = x^T beta and the label."""

    @abstractmethod
    def slope(self, z: Floats, y: Floats | None) -> Floats:
        """Derivative of the loss with respect to the margin, of shape (k,)."""

    def gradient(self, X: Floats, y: Floats | None, beta: Floats, weights: Floats | None) -> Floats:
        slope = self.slope(X @ beta, y)
        if weights is not None:
            slope = slope * weights
        return slope @ X
