"""This module holds plain gradient descent."""

from __future__ import annotations

from coded_dgd.problems.optimizers.base import Floats, Optimizer


class GradientDescent(Optimizer):
    """``gd`` steps by beta_{t+1} = beta_t - step * gradient (Ozfatura et al., eq. (2))."""

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        self.steps += 1
        self.beta = self.point = self.beta - self._schedule(self.steps) * gradient
