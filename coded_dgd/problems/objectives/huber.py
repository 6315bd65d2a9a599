"""This module holds the Huber loss of robust regression."""

from __future__ import annotations

from math import inf
from typing import ClassVar

import numpy as np

from coded_dgd.errors import UsageError
from coded_dgd.problems.objectives.base import LinearModel, Reals, total


class Huber(LinearModel):
    """``huber:delta=1.35`` is the sum of r^2/2 for |r| <= delta, and else delta |r| - delta^2/2.

    r = x^T beta - y is the residual of a row, so rows with large residuals count linearly (Huber,
    "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964). The
    Hessian is at most X^T X.

    Parameters
    ----------
    delta : float
        Largest residual that counts squared, in units of the labels.

    Raises
    ------
    UsageError
        If delta is not a positive number.
    """

    curvature: ClassVar[float | None] = 1.0

    def __init__(self, delta: float = 1.35) -> None:
        if not 0 < delta < inf:
            raise UsageError(f"objective huber: delta = {delta:g} has to be a positive number")
        self.delta = delta

    def slope(self, z: Reals, y: Reals | None) -> Reals:
        slope: Reals = np.clip(z if y is None else z - y, -self.delta, self.delta)
        return slope

    def losses(self, z: Reals, y: Reals) -> Reals:
        size = np.abs(z - y)
        squared = np.minimum(size, self.delta)
        losses: Reals = squared * (size - squared / 2)
        return losses

    def predict(self, X: Reals, beta: Reals) -> Reals:
        return self.margins(X, beta)

    def scores(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
    ) -> dict[str, float]:
        return {"mean_absolute_error": total(np.abs(self.margins(X, beta) - y), weights)}
