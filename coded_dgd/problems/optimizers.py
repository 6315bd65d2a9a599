"""First-order optimizers: where to take the gradient, and what to do with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class GradientDescent:
    """``gd``: beta_{t+1} = beta_t - step * gradient (Ozfatura et al., eq. 2).

    Attributes
    ----------
    beta : (l,) array
        The current model; starts at zero.
    point : (l,) array
        Where the next gradient has to be taken: what the master sends.
    """

    name = "gd"

    def __init__(self, features: int, step: float) -> None:
        self.beta: Floats = np.zeros(features)
        self.point = self.beta
        self.step = step

    def update(self, gradient: Floats) -> None:
        """Take a step along the gradient at `point`; replaces the arrays, never writes to them."""
        self.beta = self.point = self.beta - self.step * gradient


class Nesterov(GradientDescent):
    """``nesterov``: Nesterov's accelerated gradient for convex functions.

    beta_{t+1} = point_t - step * gradient(point_t);
    point_{t+1} = beta_{t+1} + t/(t+3) (beta_{t+1} - beta_t), t = 1, 2, ...
    """

    name = "nesterov"

    def __init__(self, features: int, step: float) -> None:
        super().__init__(features, step)
        self.steps = 0

    def update(self, gradient: Floats) -> None:
        self.steps += 1
        beta = self.point - self.step * gradient
        self.point = beta + self.steps / (self.steps + 3) * (beta - self.beta)
        self.beta = beta


OPTIMIZERS = {optimizer.name: optimizer for optimizer in (GradientDescent, Nesterov)}
