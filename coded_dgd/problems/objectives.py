"""Objectives: sums over the rows of [X | y]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Objective(Protocol):
    """A loss that is a sum over rows, and its gradient."""

    name: str
    degree: int | None
    """Degree of the gradient as a polynomial in X for y = 0; None where it is not one."""

    def gradient(self, X: Floats, y: Floats | None, beta: Floats) -> Floats:
        """Gradient at `beta` of the rows X : (k, l) with labels y : (k,), None for all zero.

        Rows of zeros contribute nothing.
        """
        ...

    def loss(self, X: Floats, y: Floats, beta: Floats) -> float:
        """Loss of the rows."""
        ...


class LeastSquares:
    """``least-squares``: 1/2 ||X beta - y||^2, with gradient X^T (X beta - y).

    The loss of Bitar et al., Section V; the gradient of Ozfatura et al., Section II
    (X^T X theta - X^T y). Without labels the gradient is X^T X beta: what coded tasks compute.
    """

    name = "least-squares"
    degree: int | None = 2

    def gradient(self, X: Floats, y: Floats | None, beta: Floats) -> Floats:
        residual = X @ beta
        if y is not None:
            residual -= y
        return residual @ X

    def loss(self, X: Floats, y: Floats, beta: Floats) -> float:
        residual = X @ beta - y
        return float(residual @ residual) / 2


OBJECTIVES: dict[str, Callable[[], Objective]] = {LeastSquares.name: LeastSquares}
