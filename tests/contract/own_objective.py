"""An objective with two parameters for each column, in a file of its own as a user would write it.

A row x with label y costs ``log cosh`` of ``y - x^T u - scale tanh(x^T v)``: the first l parameters
are u, the others v. It starts away from zero, as a network does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.objectives import Objective

Reals = NDArray[np.floating[Any]]


class TwoLayers(Objective):
    """A line and one hidden unit, with a loss that is smooth.

    Parameters
    ----------
    scale : float
        What the hidden unit counts.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def size(self, features: int) -> int:
        return 2 * features

    def start(self, features: int, seed: int) -> Reals:
        return np.random.default_rng(seed).normal(0, 0.1, 2 * features)

    def gradient(self, X: Reals, y: Reals | None, beta: Reals, weights: Reals | None) -> Reals:
        u, v = np.split(beta, 2)
        hidden = np.tanh(X @ v)
        slope = np.tanh(X @ u + self.scale * hidden - (0 if y is None else y))
        if weights is not None:
            slope = slope * weights
        inner = self.scale * slope * (1 - hidden**2)
        return np.concatenate([slope @ X, inner @ X])

    def loss(self, X: Reals, y: Reals, beta: Reals) -> float:
        u, v = np.split(beta, 2)
        error = X @ u + self.scale * np.tanh(X @ v) - y
        return float(np.log(np.cosh(error)).sum())
