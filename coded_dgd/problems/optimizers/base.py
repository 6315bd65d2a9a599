"""An optimizer says where to take the gradient, and turns the gradient into a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.problem import Problem
from coded_dgd.problems.step_sizes import Schedule

Floats = NDArray[np.float64]


class Optimizer(ABC):
    """The optimizer is the part of the master that turns gradients into steps.

    In every iteration the master sends `point` to the workers, decodes the gradient at `point` and
    passes it to `update`, which moves `beta` and `point`. The optimizer never sees the data, the
    workers or the scheme. An optimizer for objectives of degree 2 may ask for the product of the
    Hessian and `point` instead of the gradient (`asks_product`).

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
        The point at which the next gradient is taken, or the vector of the next product.
    steps : int
        Number of updates so far.
    """

    needs_loss: ClassVar[bool] = False
    """Whether `update` needs the loss at `point` as well, so that workers send it too."""
    needs_exact: ClassVar[bool] = False
    """Whether gradients have to be exact; approximate schemes and mini-batches are refused."""
    needs_quadratic: ClassVar[bool] = False
    """Whether the objective has to be of degree 2."""
    uses_step_size: ClassVar[bool] = True
    """Whether the schedule has an effect; if not, ``--step-size`` is refused."""
    auto_step: ClassVar[float | None] = None
    """Step size of ``--step-size auto`` where steps do not grow with the gradient; None for
    1 / largest curvature."""
    auto_scale: float = 1.0
    """Factor of 1 / largest curvature in the step size of ``--step-size auto``."""
    vectors: int = 2
    """Largest number of vectors of length p that the optimizer keeps."""

    def __init__(self, start: Floats, schedule: Schedule) -> None:
        self.beta = self.point = start
        self.steps = 0
        self._schedule = schedule

    @property
    def step_size(self) -> float:
        """Step size of the latest iteration, or of the first one if none has been done."""
        return self._schedule(max(self.steps, 1))

    @property
    def asks_product(self) -> bool:
        """Whether `update` expects Q `point` with the Hessian Q, including the ridge.

        If not, it expects the gradient at `point`.
        """
        return False

    @property
    def gradient_at_beta(self) -> Floats | None:
        """The gradient at `beta` after an update, if the optimizer knows it, else None.

        Records, the stop rule and the check of gradients speak of it. If it is None, they speak of
        the gradient that `update` was given, which then is the one at `point` before the update.
        """
        return None

    @property
    def confirmed(self) -> bool:
        """Whether workers have computed `gradient_at_beta`; if not, a recursion has.

        A run converges only if the gradient is confirmed.
        """
        return True

    def confirm(self) -> None:
        """Have the next iteration compute the gradient at `beta`, if it is not confirmed."""

    @abstractmethod
    def update(self, gradient: Floats, loss: float | None = None) -> None:
        """Take one step.

        Parameters
        ----------
        gradient : (p,) array
            The gradient at `point`, or the product with `point` if `asks_product` is true. Both
            include the ridge.
        loss : float, optional
            The loss at `point`, including the ridge, if `needs_loss` is true. It is an estimate if
            the scheme's gradient is one, and None if the scheme does not provide it.
        """

    def remedy(self, problem: Problem) -> str:
        """Return what to do after a divergence, as the end of a sentence."""
        curvature = problem.lipschitz()
        if not curvature:
            return "a smaller --step-size may help for these data"
        safe = f"{self.auto_scale / curvature:.2g}"
        return f"--step-size {safe} or --step-size auto is safe for these data"

    def state(self) -> dict[str, Floats]:
        """Return the whole state on which the next steps depend."""
        return {"beta": self.beta, "point": self.point, "steps": np.float64(self.steps)}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Continue from a state that `state` has returned."""
        self.beta, self.point = state["beta"], state["point"]
        self.steps = int(state["steps"])
