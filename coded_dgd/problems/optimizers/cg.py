"""This module holds the method of conjugate gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from coded_dgd.errors import Diverged, UsageError
from coded_dgd.problems.norms import norm
from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.step_sizes import Schedule

TINY = 1e-12
"""Curvature p^T Q p, relative to ||p|| ||Q p||, that may consist of rounding errors."""
NEGATIVE = 1e-6
"""Size of a negative curvature, likewise, that cannot consist of errors."""
DRIFT = 0.1
"""Relative error of the recursion from which on the method begins again."""


class ConjugateGradients(Optimizer):
    """``cg`` minimises quadratic objectives by conjugate gradients (Hestenes and Stiefel, 1952).

    The first iteration computes the gradient g at the start, and the others products q = Q p with
    the Hessian Q and a direction p, which `point` then is. With step = -g^T p / p^T q,

    beta <- beta + step p,  g <- g + step q,  p <- -g + (g^T q / p^T q) p.

    So g follows from a recursion. Every so many products, and where `confirm` asks for it, an
    iteration computes the gradient at beta. If g differs from it, because errors of products have
    added up, the method begins again (compare van der Vorst and Ye, "Residual replacement
    strategies for Krylov subspace iterative methods", 2000). Directions are scaled by powers of
    two to norms from 1/2 to 1, which is exact and keeps small ones within the range of float32.

    Parameters
    ----------
    every : int
        Number of products between two gradients, 1 or more.

    Raises
    ------
    UsageError
        If `every` is less than 1.
    """

    needs_exact: ClassVar[bool] = True
    needs_quadratic: ClassVar[bool] = True
    uses_step_size: ClassVar[bool] = False
    vectors = 5

    def __init__(self, start: Floats, schedule: Schedule, every: int = 50) -> None:
        super().__init__(start, schedule)
        if every < 1:
            raise UsageError(f"optimizer cg: every={every} is out of range: choose 1 or more")
        self._every = every
        self._gradient: Floats | None = None  # by the recursion
        self._computed: Floats | None = None  # at `beta`, if workers have computed it
        self._direction = np.zeros(len(start))
        self._ratio = 0.0  # g^T q / p^T q of the latest direction
        self._step = 0.0
        self._products = 0  # number of products since the last computed gradient
        self._asks_product = False

    @property
    def step_size(self) -> float:
        return self._step

    @property
    def asks_product(self) -> bool:
        return self._asks_product

    @property
    def gradient_at_beta(self) -> Floats | None:
        return self._gradient if self._computed is None else self._computed

    @property
    def confirmed(self) -> bool:
        return self._computed is not None

    def confirm(self) -> None:
        if self._computed is None:
            self._ask_gradient()

    def update(self, gradient: Floats, loss: float | None = None) -> None:
        self.steps += 1
        if self._asks_product:
            self._advance(gradient)
        else:
            self._check(gradient)
            self._ask_product()

    def _check(self, gradient: Floats) -> None:
        """Take the computed gradient; begin again from it if the recursion has gone astray."""
        self._computed, self._products = gradient, 0
        drift = np.inf if self._gradient is None else norm(self._gradient - gradient)
        if not drift <= DRIFT * norm(gradient):
            self._gradient, self._ratio = gradient, 0.0

    def _advance(self, product: Floats) -> None:
        """Step along the direction, to the minimum on this line."""
        assert self._gradient is not None
        direction, (scaled, exponent) = self._direction, _scaled(product)
        curvature = float(direction @ scaled)
        if curvature < -NEGATIVE:
            raise Diverged(
                "the objective has no minimum: its curvature is negative along a direction, so "
                "cg cannot go on: use a larger --ridge"
            )
        self._computed = None
        if not curvature > TINY:  # nothing is known of the line's minimum: begin again
            self._ratio = 0.0
            self._ask_gradient()
            return
        step = -float(self._gradient @ direction) / curvature
        self._step = float(np.ldexp(step, -exponent))
        self.beta = self.beta + self._step * direction
        self._gradient = self._gradient + step * scaled
        self._ratio = float(self._gradient @ scaled) / curvature
        self._products += 1
        if self._products >= self._every:
            self._ask_gradient()
        else:
            self._ask_product()

    def _ask_gradient(self) -> None:
        self._asks_product, self.point = False, self.beta

    def _ask_product(self) -> None:
        """Ask for the product with the next direction; there is none if the gradient is zero."""
        gradient = self._gradient
        assert gradient is not None
        direction = self._ratio * self._direction - gradient
        if not gradient @ direction < 0:  # errors have grown as large as the gradient
            direction = -gradient
        if not direction.any():
            self._ask_gradient()
            return
        self._direction, _ = _scaled(direction)
        self._asks_product, self.point = True, self._direction

    def remedy(self, problem: Problem) -> str:
        return "the objective hardly has a minimum for these data: use a larger --ridge"

    def state(self) -> dict[str, Floats]:
        more = {
            "direction": self._direction,
            "scalars": np.array([self._ratio, self._step, self._products, self._asks_product]),
        }
        vectors = {"gradient": self._gradient, "computed": self._computed}
        known = {name: each for name, each in vectors.items() if each is not None}
        return {**super().state(), **known, **more}

    def restore(self, state: Mapping[str, Floats]) -> None:
        super().restore(state)
        self._direction, self._gradient = state["direction"], state.get("gradient")
        self._computed = state.get("computed")
        self._ratio, self._step, products, asks = state["scalars"].tolist()
        self._products, self._asks_product = int(products), bool(asks)


def _scaled(vector: Floats) -> tuple[Floats, int]:
    """Return a vector times a power of two, with a norm from 1/2 to 1, and the exponent undone."""
    exponent = int(np.frexp(norm(vector))[1])
    return np.ldexp(vector, -exponent), exponent
