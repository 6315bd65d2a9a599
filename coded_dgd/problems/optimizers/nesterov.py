"""This module holds Nesterov's accelerated gradient descent."""

from __future__ import annotations

from coded_dgd.problems.optimizers.base import Floats, Optimizer


class Nesterov(Optimizer):
    """``nesterov`` is Nesterov's accelerated gradient method for convex functions.

    For t = 1, 2, ... its steps are
    beta_{t+1} = point_t - step * gradient(point_t) and
    point_{t+1} = beta_{t+1} + t/(t+3) (beta_{t+1} - beta_t).
    """

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        self.steps += 1
        beta = self.point - self._schedule(self.steps) * gradient
        self.point = beta + self.steps / (self.steps + 3) * (beta - self.beta)
        self.beta = beta
