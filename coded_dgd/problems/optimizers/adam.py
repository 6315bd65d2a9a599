"""This module holds Adam."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import ClassVar

import numpy as np

from coded_dgd.errors import UsageError
from coded_dgd.problems.optimizers._one_ahead import OneAhead
from coded_dgd.problems.optimizers.base import Floats
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.step_sizes import Schedule


class Adam(OneAhead):
    """``adam`` scales each component of a step by the size of its recent gradients.

    With moving averages m_t of the gradient and v_t of its squares, both corrected for their start
    at zero, it steps by -step * m_t / (sqrt(v_t) + epsilon) (Kingma and Ba, "Adam: a method for
    stochastic optimization", 2015, Algorithm 1). A step changes a parameter by about the step size,
    whatever the gradient is.

    Parameters
    ----------
    beta1, beta2 : float
        Decay factors of m_t and v_t, at least 0 and less than 1.
    epsilon : float
        Positive number that bounds the divisor from below.

    Raises
    ------
    UsageError
        If a parameter is out of range.
    """

    auto_step: ClassVar[float | None] = 1e-3
    vectors = 5

    def __init__(
        self,
        start: Floats,
        schedule: Schedule,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(start, schedule)
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise UsageError(
                    f"optimizer adam: {name}={value:g} is out of range: choose 0 <= {name} < 1"
                )
        if not 0 < epsilon < inf:
            raise UsageError(
                f"optimizer adam: epsilon={epsilon:g} is out of range: choose a positive number"
            )
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon
        self._mean, self._square = np.zeros(len(start)), np.zeros(len(start))

    def _step(self, gradient: Floats) -> Floats:
        self._mean = self._beta1 * self._mean + (1 - self._beta1) * gradient
        self._square = self._beta2 * self._square + (1 - self._beta2) * gradient**2
        mean = self._mean / (1 - self._beta1**self.steps)
        size = np.sqrt(self._square / (1 - self._beta2**self.steps)) + self._epsilon
        return -self._schedule(self.steps) * mean / size

    def remedy(self, problem: Problem) -> str:
        return "a smaller --step-size, such as the 0.001 of --step-size auto, may help"

    def state(self) -> dict[str, Floats]:
        return {**super().state(), "mean": self._mean, "square": self._square}

    def restore(self, state: Mapping[str, Floats]) -> None:
        super().restore(state)
        self._mean, self._square = state["mean"], state["square"]
