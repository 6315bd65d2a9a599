"""An optimizer says where to take the gradient, and turns the gradient into a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.step_sizes import Schedule

Floats = NDArray[np.float64]


class Optimizer(ABC):
    """The optimizer is the part of the master that turns gradients into steps.

    In every iteration the master sends `point` to the workers, decodes the gradient at `point` and
    passes it to `update`, which moves `beta` and `point`. The optimizer never sees the data, the
    workers or the scheme.

    A checkpoint holds the result of `state`, and a resumed run passes it to `restore`. A subclass
    with more state than `beta`, `point` and `steps` extends both methods.

    Every step replaces the arrays and never writes to them, because messages and checkpoints may
    still refer to the old ones.

    Parameters
    ----------
    start : (p,) array
        Initial parameters of the model.
    schedule : callable
        Step size of iteration t = 1, 2, ...

    ``--optimizer name:key=value`` sets further parameters of the constructor, which are annotated
    with int, float, bool or str.

    Attributes
    ----------
    beta : (p,) array
        The current model.
    point : (p,) array
        The point at which the next gradient is taken.
    steps : int
        Number of updates so far.
    """

    needs_loss: ClassVar[bool] = False
    """Whether `update` needs the loss at `point` as well, so that workers send it too."""

    def __init__(self, start: Floats, schedule: Schedule) -> None:
        self.beta = self.point = start
        self.steps = 0
        self._schedule = schedule

    @property
    def step_size(self) -> float:
        """Step size of the latest iteration, or of the first one if none has been done."""
        return self._schedule(max(self.steps, 1))

    @abstractmethod
    def update(self, gradient: Floats, loss: float | None = None) -> None:
        """Take one step.

        Parameters
        ----------
        gradient : (p,) array
            The gradient at `point`, including the ridge.
        loss : float, optional
            The loss at `point`, including the ridge, if `needs_loss` is true. It is an estimate if
            the scheme's gradient is one, and None if the scheme does not provide it.
        """

    def state(self) -> dict[str, Floats]:
        """Return the whole state on which the next steps depend."""
        return {"beta": self.beta, "point": self.point, "steps": np.float64(self.steps)}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Continue from a state that `state` has returned."""
        self.beta, self.point = state["beta"], state["point"]
        self.steps = int(state["steps"])
