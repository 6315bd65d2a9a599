"""What an optimizer is: where to take the gradient, and what to do with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.step_sizes import Schedule

Floats = NDArray[np.float64]


class Optimizer(ABC):
    """The part of the master that turns gradients into steps.

    In every iteration the master sends `point` to the workers, decodes the gradient there and hands
    it to `update`, which moves `beta` and `point`. That is the whole of its work: it never sees the
    data, the workers or the scheme.

    A checkpoint holds what `state` returns, and a run that is resumed hands it to `restore`. Who
    keeps more than `beta`, `point` and `steps` extends both.

    The arrays are replaced at every step and never written to, because messages and checkpoints may
    still refer to the old ones.

    Parameters
    ----------
    start : (p,) array
        The parameters of the model that training begins with.
    schedule : callable
        Step size of iteration t = 1, 2, ...

    Further parameters of the constructor, annotated with int, float, bool or str, can be given as
    ``--optimizer name:key=value``.

    Attributes
    ----------
    beta : (p,) array
        The current model.
    point : (p,) array
        Where the next gradient has to be taken.
    steps : int
        Number of updates so far.
    """

    needs_loss: ClassVar[bool] = False
    """Whether `update` wants the loss at `point` as well: workers then send it along."""

    def __init__(self, start: Floats, schedule: Schedule) -> None:
        self.beta = self.point = start
        self.steps = 0
        self._schedule = schedule

    @property
    def step_size(self) -> float:
        """Step size of the latest iteration; before the first one, of that."""
        return self._schedule(max(self.steps, 1))

    @abstractmethod
    def update(self, gradient: Floats, loss: float | None = None) -> None:
        """Take a step.

        Parameters
        ----------
        gradient : (p,) array
            The gradient at `point`, the ridge included.
        loss : float, optional
            The loss at `point`, the ridge included, where `needs_loss` asks for it; an estimate
            where the scheme's gradient is one, and None where the scheme cannot tell.
        """

    def state(self) -> dict[str, Floats]:
        """Return everything that the next steps depend on."""
        return {"beta": self.beta, "point": self.point, "steps": np.float64(self.steps)}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go on from what `state` has returned."""
        self.beta, self.point = state["beta"], state["point"]
        self.steps = int(state["steps"])
