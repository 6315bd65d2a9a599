"""This module holds the model of all-or-nothing stragglers."""

from __future__ import annotations

from math import inf

import numpy as np

from coded_dgd.delays.base import DelayModel, Floats, stream
from coded_dgd.errors import UsageError


class Bernoulli(DelayModel):
    """``bernoulli:p=0.7,slow=1,fast=0.01`` is the model of Bitar et al., Section II-A.

    With probability p, independently for each worker and iteration, a worker takes `slow` seconds
    for all its tasks, otherwise `fast` seconds. Its messages arrive at the end of that time. With
    slow=inf a slow worker never answers.
    """

    parameters = {"p": (float, 0.7), "slow": (float, 1.0), "fast": (float, 0.01)}

    def __init__(self, p: float, slow: float, fast: float, seed: int) -> None:
        if not 0 <= p < 1:
            raise UsageError(f"bernoulli: p = {p:g} is out of range: choose 0 <= p < 1")
        if not (0 <= fast <= slow and fast < inf):
            raise UsageError(
                f"bernoulli: fast = {fast:g}, slow = {slow:g}: choose 0 <= fast <= slow, in seconds"
            )
        self.p, self.slow, self.fast, self.seed = p, slow, fast, seed
        self.may_stall = slow == inf

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        return self._times(stream(self.seed, iteration, worker), (1,)) * np.ones(len(work))

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        return self._times(rng, (realisations, workers, 1)) * np.ones(work.shape)

    def _times(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return np.where(rng.random(shape) < self.p, self.slow, self.fast)
