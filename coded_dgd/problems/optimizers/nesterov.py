"""This module holds Nesterov's accelerated gradient descent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coded_dgd.errors import UsageError
from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.step_sizes import Schedule

RESTARTS = ("none", "gradient")


class Nesterov(Optimizer):
    """``nesterov`` is Nesterov's accelerated gradient method for convex functions.

    For t = 1, 2, ... its steps are
    beta_{t+1} = point_t - step * gradient(point_t) and
    point_{t+1} = beta_{t+1} + t/(t+3) (beta_{t+1} - beta_t).

    Parameters
    ----------
    restart : str
        ``gradient`` begins again with t = 0 where the gradient at point_t has a positive inner
        product with beta_{t+1} - beta_t, so that momentum leads uphill (O'Donoghue and Candes,
        "Adaptive restart for accelerated gradient schemes", 2015, Section 3.2). ``none`` never
        does.

    Raises
    ------
    UsageError
        If there is no such rule.
    """

    def __init__(self, start: Floats, schedule: Schedule, restart: str = "none") -> None:
        super().__init__(start, schedule)
        if restart not in RESTARTS:
            raise UsageError(
                f"optimizer nesterov: restart={restart} is no rule: give {' or '.join(RESTARTS)}"
            )
        self._restarts = restart == "gradient"
        self._since = 0  # number of steps since the last restart

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        self.steps += 1
        beta = self.point - self._schedule(self.steps) * gradient
        uphill = self._restarts and float(gradient @ (beta - self.beta)) > 0
        self._since = 0 if uphill else self._since + 1
        self.point = beta + self._since / (self._since + 3) * (beta - self.beta)
        self.beta = beta

    def remedy(self, problem: Problem) -> str:
        if problem.batches:  # whose errors grow with the momentum, however short the steps are
            return "use --optimizer momentum or gd for gradients of mini-batches"
        return super().remedy(problem)

    def state(self) -> dict[str, Floats]:
        return {**super().state(), "since": np.float64(self._since)}

    def restore(self, state: Mapping[str, Floats]) -> None:
        super().restore(state)
        self._since = int(state.get("since", state["steps"]))  # older versions never restarted
