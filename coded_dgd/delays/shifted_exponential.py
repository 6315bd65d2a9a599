"""The shifted exponential law of the papers."""

from __future__ import annotations

from math import isfinite

import numpy as np

from coded_dgd.delays.base import DelayModel, Floats, stream
from coded_dgd.errors import UsageError


class ShiftedExponential(DelayModel):
    """``shifted-exponential:mu=10,alpha=0.01``: Ozfatura et al., eq. (12).

    A worker has finished s tasks by time t with probability 1 - exp(-mu (t/s - alpha)): one
    duration per worker and iteration, shared by all its tasks.

    Parameters
    ----------
    mu : float
        Rate of the exponential part in 1/s; inf for none.
    alpha : float
        Smallest duration of a task in seconds.
    seed : int
    """

    parameters = {"mu": (float, 10.0), "alpha": (float, 0.01)}

    def __init__(self, mu: float, alpha: float, seed: int) -> None:
        if not mu > 0:
            raise UsageError(f"mu = {mu:g} has to be positive: it is a rate in 1/s, such as mu=10")
        if not (alpha >= 0 and isfinite(alpha)):
            raise UsageError(f"alpha = {alpha:g} has to be a time in seconds, such as alpha=0.01")
        self.mu, self.alpha, self.seed = mu, alpha, seed

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        duration = self._durations(stream(self.seed, iteration, worker), (1,))
        return duration * work

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        duration = self._durations(rng, (realisations, workers, 1))
        return duration * work

    def _durations(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return self.alpha + rng.exponential(1 / self.mu, shape)
