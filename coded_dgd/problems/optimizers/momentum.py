"""This module holds gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coded_dgd.errors import UsageError
from coded_dgd.problems.optimizers._one_ahead import OneAhead
from coded_dgd.problems.optimizers.base import Floats
from coded_dgd.problems.step_sizes import Schedule


class Momentum(OneAhead):
    """``momentum`` is Polyak's heavy-ball method.

    Its steps are beta_{t+1} = beta_t + v_t with v_t = factor * v_{t-1} - step * gradient(beta_t)
    (Polyak, "Some methods of speeding up the convergence of iteration methods", 1964). For
    quadratic objectives and exact gradients it converges with step < 2 (1 + factor) / L. The step
    of ``auto`` is (1 - factor) / L: steps along a constant gradient add up to that of gradient
    descent, and errors of approximate gradients are not amplified.

    Parameters
    ----------
    factor : float
        Fraction of the last step that is added to the next one, 0 <= factor < 1.

    Raises
    ------
    UsageError
        If the factor is out of range.
    """

    vectors = 4

    def __init__(self, start: Floats, schedule: Schedule, factor: float = 0.9) -> None:
        super().__init__(start, schedule)
        if not 0 <= factor < 1:
            raise UsageError(
                f"optimizer momentum: factor={factor:g} is out of range: choose 0 <= factor < 1"
            )
        self.auto_scale = 1 - factor
        self._factor, self._velocity = factor, np.zeros(len(start))

    def _step(self, gradient: Floats) -> Floats:
        self._velocity = self._factor * self._velocity - self._schedule(self.steps) * gradient
        return self._velocity

    def state(self) -> dict[str, Floats]:
        return {**super().state(), "velocity": self._velocity}

    def restore(self, state: Mapping[str, Floats]) -> None:
        super().restore(state)
        self._velocity = state["velocity"]
