"""This module is the base of delay models that replay recorded iterations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays.base import DelayModel, Floats, task_under_way


class Recorded(DelayModel):
    """The model replays whole iterations, in order or drawn with replacement.

    Whole iterations keep the correlation between workers that are slow together.

    Parameters
    ----------
    times : (iterations, M) or (iterations, M, work) array
        Duration of a task in seconds, shared by all tasks of the worker in the iteration; or
        finish time of each task, non-decreasing. A time of inf means never.
    unit : float
        Size of a recorded task with a finish time, in tasks of the model.
    """

    def __init__(self, times: Floats, unit: float = 1.0) -> None:
        self.times, self.unit = times, unit
        self.may_stall = bool(np.isinf(times).any())
        if times.ndim == 3:
            self.most_work = times.shape[2] * unit

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        times = self.times[iteration % len(self.times), worker]
        finish: Floats = times[self._task(work)] if times.ndim else times * work
        return finish

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        return self._replayed(rng.integers(len(self.times), size=realisations), workers, work)

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        first = int(rng.integers(len(self.times)))
        return self._replayed((first + np.arange(iterations)) % len(self.times), workers, work)

    def _replayed(self, iterations: NDArray[np.int64], workers: int, work: Floats) -> Floats:
        """Return the finish times in these iterations, of shape (iterations, workers, tasks)."""
        iteration, worker = iterations[:, None, None], np.arange(workers)[:, None]
        if self.times.ndim == 2:
            return self.times[iteration, worker] * work
        finish: Floats = self.times[iteration, worker, self._task(work)]
        return finish

    def _task(self, work: Floats) -> NDArray[np.int64]:
        return task_under_way(work / self.unit)
