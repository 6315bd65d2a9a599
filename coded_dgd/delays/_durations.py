"""This module is the base of delay models that draw the durations of tasks from a law."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays.base import DelayModel, Floats, stream, task_under_way
from coded_dgd.errors import UsageError


class DrawnDurations(DelayModel):
    """The model draws durations from one law, independently for each worker and iteration.

    Parameters
    ----------
    tasks : str
        With ``shared`` all tasks of a worker in an iteration have one duration, so that s tasks
        take s times as long (Ozfatura et al., eq. (12)). With ``independent`` each task has its own
        duration. These are tasks of the model. If the tasks of a scheme are smaller, several of
        them divide one duration, so that the same work takes the same time in any scheme.
    seed : int
    """

    def __init__(self, tasks: str, seed: int) -> None:
        if tasks not in ("shared", "independent"):
            raise UsageError(f"tasks = {tasks}: choose shared or independent")
        self.independent, self.seed = tasks == "independent", seed

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw durations of tasks in seconds."""

    @abstractmethod
    def exceeds(self, x: Floats) -> Floats:
        """Return the probability that a task takes longer than x seconds."""

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        rng = stream(self.seed, iteration, worker)
        times: Floats = self._finish_times(rng, (1,), work)[0]
        return times

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        return self._finish_times(rng, (realisations, workers), work)

    def survival(self, worker: int, x: Floats) -> Floats | None:
        return None if self.independent else self.exceeds(x)

    def kind(self, worker: int) -> Hashable:
        return "drawn"

    def _finish_times(
        self, rng: np.random.Generator, shape: tuple[int, ...], work: Floats
    ) -> Floats:
        if not self.independent:
            return self.draw(rng, (*shape, 1)) * work
        task = task_under_way(work)
        durations = self.draw(rng, (*shape, int(task.max(initial=-1)) + 1))
        times = _at_tasks(durations.cumsum(axis=-1), task)
        left = task + 1 - work
        return times - left * _at_tasks(durations, task) if left.any() else times


def _at_tasks(times: Floats, task: NDArray[np.int64]) -> Floats:
    """Return the times of tasks, (tasks,) or (workers, tasks), from (..., workers, all tasks)."""
    workers, tasks = times.shape[-2:]
    places = np.arange(workers)[:, None] * tasks + task
    selected: Floats = times.reshape(*times.shape[:-2], -1).take(places, axis=-1)
    return selected
