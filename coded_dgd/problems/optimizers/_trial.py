"""A trial lets a user's optimizer take a few steps before training, and stop and go on in between.

It refuses in one line an optimizer that a run or a resumed run could not use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np

from coded_dgd.errors import UsageError, answer
from coded_dgd.problems.evaluation import described
from coded_dgd.problems.optimizers.base import Floats, Optimizer

T = TypeVar("T")

STEPS = 3
"""Number of updates before the state is saved, and after it is restored."""


def run(name: str, build: Callable[[], Optimizer]) -> None:
    """Try an optimizer.

    Parameters
    ----------
    name : str
        Name of the optimizer in the message.
    build : callable
        Makes the optimizer, anew for each call.

    Raises
    ------
    UsageError
        If the optimizer raises or breaks a promise of `Optimizer`; the message names the
        correction.
    """
    _OptimizerTrial(name, build).run()


class _OptimizerTrial:
    """A trial of one optimizer of a user."""

    def __init__(self, name: str, build: Callable[[], Optimizer]) -> None:
        self._name, self._build = name, build
        self._rng = np.random.default_rng(0)

    def run(self) -> None:
        """Take a few steps, and go on from their state with another optimizer."""
        optimizer = self._build()
        for each in ("beta", "point", "steps"):
            if not hasattr(optimizer, each):
                self._refuse(
                    f"its constructor sets no {each}: have it begin with "
                    "super().__init__(start, schedule)"
                )
        shape = optimizer.beta.shape
        self._curvatures = self._rng.uniform(0.5, 2.0, shape)
        for number in range(STEPS):
            self._update(optimizer, number, self._gradient(shape))
        self._confirm(optimizer)
        state = self._ask("state", optimizer.state)
        if not isinstance(state, dict) or not all(map(_is_number, state.values())):
            self._refuse("state has to return a dict of names and arrays of numbers")
        resumed, kept = self._build(), {key: np.array(value) for key, value in state.items()}
        self._ask("restore", lambda: resumed.restore(kept))
        for number in range(STEPS, 2 * STEPS):
            gradient = self._gradient(shape)
            for one in (optimizer, resumed):
                self._update(one, number, gradient)
            if not _are_same(optimizer, resumed):
                self._refuse(
                    "a resumed run would take other steps: have state return, and restore take, "
                    "all that the next steps depend on, beta, point and steps included"
                )

    def _gradient(self, shape: tuple[int, ...]) -> Floats:
        return self._rng.standard_normal(shape)

    def _update(self, optimizer: Optimizer, number: int, gradient: Floats) -> None:
        """Take a step, and check what it leaves behind."""
        before = optimizer.beta, optimizer.point
        copies = [each.copy() for each in before]
        if self._ask("asks_product", lambda: optimizer.asks_product):
            if not optimizer.needs_quadratic:
                self._refuse("asks_product is true: have the class set needs_quadratic = True")
            gradient = self._curvatures * optimizer.point
        given = (gradient.copy(), 1 / (1 + number)) if optimizer.needs_loss else (gradient.copy(),)
        with np.errstate(all="ignore"):
            self._ask("update", lambda: optimizer.update(*given))
        if not all(map(np.array_equal, before, copies)):
            self._refuse(
                "update writes to beta or point, to which messages and checkpoints may refer: "
                "replace the array, as in self.beta = self.beta + step"
            )
        for name in ("beta", "point", "gradient_at_beta"):
            found = self._ask(name, partial(getattr, optimizer, name))
            if found is None and name == "gradient_at_beta":
                continue
            real = type(found) is np.ndarray and found.dtype == gradient.dtype
            if not real or found.shape != gradient.shape:
                self._refuse(
                    f"update leaves {described(found)} as {name}, and has to leave a "
                    f"{gradient.dtype} array of shape {gradient.shape}"
                )
        if optimizer.steps != number + 1:
            self._refuse(
                f"steps is {optimizer.steps} after update number {number + 1}: have update begin "
                "with self.steps += 1, and restore set it"
            )

    def _confirm(self, optimizer: Optimizer) -> None:
        """Have it ask for the gradient at beta, unless that is confirmed."""
        if self._ask("confirmed", lambda: optimizer.confirmed):
            return
        self._ask("confirm", optimizer.confirm)
        if optimizer.asks_product or not np.array_equal(optimizer.point, optimizer.beta):
            self._refuse("confirm has to set point to beta, and asks_product to False")

    def _ask(self, method: str, question: Callable[[], T]) -> T:
        return answer(f"optimizer {self._name}: {method}", question)

    def _refuse(self, fault: str) -> NoReturn:
        raise UsageError(f"optimizer {self._name}: {fault}")


def _are_same(one: Optimizer, other: Optimizer) -> bool:
    """Return whether two optimizers have the same model and ask for the same."""
    vectors = [(one.beta, other.beta), (one.point, other.point)]
    alike = all(np.array_equal(*each, equal_nan=True) for each in vectors)
    return alike and one.asks_product == other.asks_product


def _is_number(value: Any) -> bool:
    """Return whether a checkpoint can hold a value of the state."""
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:  # a ragged list
        return False
