"""This module holds the limited-memory BFGS method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from coded_dgd.errors import UsageError
from coded_dgd.problems.norms import norm
from coded_dgd.problems.optimizers._line_search import LineSearch, TrialStep
from coded_dgd.problems.optimizers._pairs import Pairs
from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.step_sizes import Schedule

MOST_TRIALS = 20
"""Number of trials after which a line search ends without success."""


class LBFGS(Optimizer):
    """``lbfgs`` is the limited-memory BFGS method (Liu and Nocedal, 1989) with a line search.

    Every trial of the line search is an iteration: `point` is the trial, and `beta` the model of
    the last successful one. A line search that does not succeed ends at its best trial, or begins
    again along the negative gradient.

    Parameters
    ----------
    pairs : int
        Number of latest steps from which the Hessian is estimated, 1 or more.

    Raises
    ------
    UsageError
        If `pairs` is less than 1.
    """

    needs_loss: ClassVar[bool] = True
    needs_exact: ClassVar[bool] = True
    uses_step_size: ClassVar[bool] = False

    def __init__(self, start: Floats, schedule: Schedule, pairs: int = 10) -> None:
        super().__init__(start, schedule)
        if pairs < 1:
            raise UsageError(f"optimizer lbfgs: pairs={pairs} is out of range: choose 1 or more")
        self.vectors = 6 + 2 * pairs
        self._pairs = Pairs(pairs)
        self._search: LineSearch | None = None
        self._gradient: Floats | None = None
        self._direction = np.zeros(len(start))
        self._best = start  # the gradient at the best trial, which is `low` of the search
        self._step = 0.0

    @property
    def step_size(self) -> float:
        return self._step

    @property
    def gradient_at_beta(self) -> Floats | None:
        return self._gradient

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        assert loss is not None
        self.steps += 1
        search = self._search
        if search is None or self._gradient is None:
            self._begin(gradient, loss)
            return
        step = search.step
        if search.take(loss, float(gradient @ self._direction)):
            self._move(step, gradient)
            self._begin(gradient, loss)
            return
        if search.low.step == step:
            self._best = gradient
        if search.trials < MOST_TRIALS:
            self.point = self._at(search.step)
        elif search.low.step > 0:
            self._move(search.low.step, self._best)
            self._begin(self._best, search.low.loss)
        else:
            self._pairs.clear()
            self._begin(self._gradient, search.begin.loss)

    def _at(self, step: float) -> Floats:
        return self.beta + step * self._direction

    def _move(self, step: float, gradient: Floats) -> None:
        """Accept the step, at which the gradient is known."""
        assert self._gradient is not None
        beta = self._at(step)
        self._pairs.add(beta - self.beta, gradient - self._gradient)
        self.beta, self._step = beta, step

    def _begin(self, gradient: Floats, loss: float) -> None:
        """Begin a line search at `beta`, where gradient and loss are known."""
        self._gradient = gradient
        self._direction = self._pairs.direction(gradient)
        slope = float(gradient @ self._direction)
        if not slope < 0:  # errors of the gradient have spoilt the pairs
            self._pairs.clear()
            self._direction = -gradient
            slope = -float(gradient @ gradient)
        step = 1.0 if len(self._pairs) else 1 / (norm(gradient) or 1.0)
        self._search = LineSearch(TrialStep(0.0, loss, slope), step)
        self.point = self._at(step)

    def remedy(self, problem: Problem) -> str:
        return "the loss has no minimum near: use a larger --ridge, or --optimizer gd"

    def state(self) -> dict[str, Floats]:
        more = {"direction": self._direction, "best": self._best, "step": np.float64(self._step)}
        if len(self._pairs):
            more["pairs"] = self._pairs.state()
        if self._search is not None and self._gradient is not None:
            more |= {"gradient": self._gradient, "search": self._search.state()}
        return {**super().state(), **more}

    def restore(self, state: Mapping[str, Floats]) -> None:
        super().restore(state)
        self._direction, self._best = state["direction"], state["best"]
        self._step, self._gradient = float(state["step"]), state.get("gradient")
        self._search = LineSearch.restored(state["search"]) if "search" in state else None
        if "pairs" in state:
            self._pairs.restore(state["pairs"])
