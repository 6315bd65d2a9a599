"""This module holds the least-squares objective."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from coded_dgd.problems.objectives.base import LinearModel, Objective, Reals


class LeastSquares(LinearModel):
    """``least-squares`` is 1/2 ||X beta - y||^2, with gradient X^T (X beta - y).

    It is the loss of Bitar et al., Section V, and has the gradient of Ozfatura et al., Section II
    (X^T X theta - X^T y). Without labels the gradient is X^T X beta, which coded tasks compute.
    """

    degree: ClassVar[int | None] = 2
    curvature: ClassVar[float | None] = 1.0

    def slope(self, z: Reals, y: Reals | None) -> Reals:
        return z if y is None else z - y

    def losses(self, z: Reals, y: Reals) -> Reals:
        residual = z - y
        return residual * residual / 2

    def predict(self, X: Reals, beta: Reals) -> Reals:
        return self.margins(X, beta)

    def loss(self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None) -> float:
        residual = (X @ beta).astype(np.float64, copy=False) - y
        return float(residual @ (residual if weights is None else weights * residual)) / 2


def is_least_squares(objective: Objective) -> bool:
    """Return whether an objective has the gradient and the loss of `LeastSquares`.

    This is also true for a subclass that only adds scores.
    """
    own = type(objective)
    return issubclass(own, LeastSquares) and all(
        getattr(own, name) is getattr(LeastSquares, name)
        for name in ("gradient", "slope", "losses", "loss", "size")
    )
