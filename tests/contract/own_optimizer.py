"""Optimizers in a file of their own, as a user would write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.optimizers import Optimizer
from coded_dgd.problems.step_sizes import Schedule

Floats = NDArray[np.float64]


class Backtracking(Optimizer):
    """Gradient descent that halves its step until the loss has fallen enough.

    A step is tried at `point`; where the loss there says that it was too long, the next point is
    half as far from `beta`, and else `beta` moves.

    Parameters
    ----------
    enough : float
        Fraction of the decrease that the gradient promises.
    """

    needs_loss: ClassVar[bool] = True

    def __init__(self, start: Floats, schedule: Schedule, enough: float = 0.5) -> None:
        super().__init__(start, schedule)
        self.enough, self.step = enough, schedule(1)
        self.gradient: Floats = np.zeros(len(start))
        self.losses: list[float] = []

    @property
    def step_size(self) -> float:
        return self.step

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        assert loss is not None
        self.steps += 1
        promised = self.enough * self.step * float(self.gradient @ self.gradient)
        if self.losses and loss > self.losses[-1] - promised:
            self.step /= 2
        else:
            self.beta, self.gradient = self.point, gradient
            self.losses = [*self.losses, loss]
        self.point = self.beta - self.step * self.gradient

    def state(self) -> dict[str, Floats]:
        more = {"step": np.float64(self.step), "losses": np.array(self.losses)}
        return {**super().state(), **more, "gradient": self.gradient}

    def restore(self, state: Mapping[str, Floats]) -> None:
        super().restore(state)
        self.step, self.gradient = float(state["step"]), state["gradient"]
        self.losses = state["losses"].tolist()
