"""The direction of L-BFGS, from the latest steps and changes of the gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.norms import norm

Floats = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)


class Pairs:
    """The latest pairs of a step s and the change y of the gradient along it.

    Parameters
    ----------
    most : int
        Largest number of pairs; a further one replaces the oldest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pairs: list[tuple[Floats, Floats]] = []

    def __len__(self) -> int:
        return len(self._pairs)

    def clear(self) -> None:
        """Forget all pairs."""
        self._pairs = []

    def add(self, s: Floats, y: Floats) -> None:
        """Take a pair, unless it shows no positive curvature, whatever the units of the loss."""
        if float(s @ y) > EPSILON * norm(s) * norm(y):
            self._pairs = [*self._pairs, (s, y)][-self._most :]

    def direction(self, gradient: Floats) -> Floats:
        """Return -H gradient by the two-loop recursion (Nocedal and Wright, Algorithm 7.4).

        H is the inverse Hessian of L-BFGS with the initial matrix s^T y / y^T y of the latest pair;
        without pairs it is the identity.
        """
        direction, products = -gradient, []
        for s, y in reversed(self._pairs):
            products.append(float(s @ direction) / float(s @ y))
            direction = direction - products[-1] * y
        if self._pairs:
            s, y = self._pairs[-1]
            direction = float(s @ y) / float(y @ y) * direction
        for (s, y), product in zip(self._pairs, reversed(products), strict=True):
            direction = direction + (product - float(y @ direction) / float(s @ y)) * s
        return direction

    def state(self) -> Floats:
        """Return the pairs as an array of shape (pairs, 2, p)."""
        return np.array(self._pairs)

    def restore(self, state: Floats) -> None:
        """Continue from what `state` has returned."""
        self._pairs = [(s, y) for s, y in state]
