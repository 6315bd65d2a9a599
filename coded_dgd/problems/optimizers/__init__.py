"""First-order optimizers: where to take the gradient, and what to do with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError
from coded_dgd.problems.step_sizes import Schedule
from coded_dgd.spec import nearest

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

    def __init__(self, features: int, schedule: Schedule) -> None:
        self.beta: Floats = np.zeros(features)
        self.point = self.beta
        self.steps = 0
        self._schedule = schedule

    @property
    def step_size(self) -> float:
        """Step size of the latest iteration; before the first one, of that."""
        return self._schedule(max(self.steps, 1))

    def update(self, gradient: Floats) -> None:
        """Take a step along the gradient at `point`; replaces the arrays, never writes to them."""
        self.steps += 1
        self._move(self._schedule(self.steps) * gradient)

    def state(self) -> dict[str, Floats]:
        """Everything that the next steps depend on."""
        return {"beta": self.beta, "point": self.point, "steps": np.float64(self.steps)}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go on from what `state` has returned."""
        self.beta, self.point = state["beta"], state["point"]
        self.steps = int(state["steps"])

    def _move(self, step: Floats) -> None:
        self.beta = self.point = self.beta - step


class Nesterov(GradientDescent):
    """``nesterov``: Nesterov's accelerated gradient for convex functions.

    beta_{t+1} = point_t - step * gradient(point_t);
    point_{t+1} = beta_{t+1} + t/(t+3) (beta_{t+1} - beta_t), t = 1, 2, ...
    """

    name = "nesterov"

    def _move(self, step: Floats) -> None:
        beta = self.point - step
        self.point = beta + self.steps / (self.steps + 3) * (beta - self.beta)
        self.beta = beta


OPTIMIZERS = {optimizer.name: optimizer for optimizer in (GradientDescent, Nesterov)}


def find(name: str) -> type[GradientDescent]:
    """Return the optimizer called `name`.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in OPTIMIZERS:
        raise UsageError(
            f"unknown --optimizer {name!r}{nearest(name, OPTIMIZERS)}; "
            f"there are: {', '.join(OPTIMIZERS)}"
        )
    return OPTIMIZERS[name]
