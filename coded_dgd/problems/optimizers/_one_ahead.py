"""Optimizers whose steps may lead away from a model with a small gradient."""

from __future__ import annotations

from abc import abstractmethod

from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.step_sizes import Schedule


class OneAhead(Optimizer):
    """An optimizer with `beta` the model of the latest gradient, and `point` one step ahead.

    Its steps may lead away from a model with a small gradient, so the model that is handed back is
    one whose gradient is known. T iterations take T - 1 steps.
    """

    def __init__(self, start: Floats, schedule: Schedule) -> None:
        super().__init__(start, schedule)
        self._gradient: Floats | None = None

    @property
    def gradient_at_beta(self) -> Floats | None:
        return self._gradient

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        self.steps += 1
        self.beta, self._gradient = self.point, gradient
        self.point = self.beta + self._step(gradient)

    @abstractmethod
    def _step(self, gradient: Floats) -> Floats:
        """Return the step from a model with this gradient, of shape (p,)."""
