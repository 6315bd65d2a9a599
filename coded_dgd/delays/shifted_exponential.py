"""This module holds the shifted exponential law of the papers."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np

from coded_dgd.delays._durations import DrawnDurations
from coded_dgd.delays.base import Floats
from coded_dgd.errors import UsageError


class ShiftedExponential(DrawnDurations):
    """``shifted-exponential:mu=10,alpha=0.01,tasks=shared`` is Ozfatura et al., eq. (12).

    A worker has finished s tasks by time t with probability 1 - exp(-mu (t/s - alpha)), unless
    tasks are independent.

    Parameters
    ----------
    mu : float
        Rate of the exponential part in 1/s; inf for none.
    alpha : float
        Smallest duration of a task in seconds.
    tasks : str
        ``shared`` or ``independent`` durations, see `DrawnDurations`.
    seed : int
    """

    parameters = {"mu": (float, 10.0), "alpha": (float, 0.01), "tasks": (str, "shared")}

    def __init__(self, mu: float, alpha: float, seed: int, tasks: str = "shared") -> None:
        super().__init__(tasks, seed)
        if not mu > 0:
            raise UsageError(f"mu = {mu:g} has to be positive: it is a rate in 1/s, such as mu=10")
        if not (alpha >= 0 and isfinite(alpha)):
            raise UsageError(f"alpha = {alpha:g} has to be a time in seconds, such as alpha=0.01")
        self.mu, self.alpha = mu, alpha

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return self.alpha + rng.exponential(1 / self.mu, shape)

    def exceeds(self, x: Floats) -> Floats:
        if self.mu == inf:
            return np.where(x < self.alpha, 1.0, 0.0)
        return np.exp(-self.mu * np.maximum(x - self.alpha, 0))

    def density(self, worker: int, x: Floats) -> Floats | None:
        if self.independent or self.mu == inf:
            return None
        return np.where(x < self.alpha, 0.0, self.mu * self.exceeds(x))

    def breakpoints(self, worker: int) -> tuple[float, ...]:
        return (self.alpha,)
