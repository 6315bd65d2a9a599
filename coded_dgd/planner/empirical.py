"""The measured durations themselves, where no law fits them."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import DelayModel, Floats


class Empirical(DelayModel):
    """Whole measured iterations, drawn with replacement: workers slow together stay so.

    Parameters
    ----------
    durations : (iterations, M) array
        Duration of a task in seconds, shared by all tasks of the worker in the iteration.
    seed : int
    """

    def __init__(self, durations: Floats, seed: int) -> None:
        self.durations, self.seed = durations, seed

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        times: Floats = self.durations[iteration % len(self.durations), worker] * work
        return times

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        iteration = rng.integers(len(self.durations), size=(realisations, 1, 1))
        times: Floats = self.durations[iteration, np.arange(workers)[:, None]] * work
        return times
