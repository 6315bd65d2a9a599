"""Models that draw the durations of tasks from a law."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays.base import DelayModel, Floats, stream, task_under_way
from coded_dgd.errors import UsageError


class DrawnDurations(DelayModel):
    """Durations drawn from one law, independently per worker and iteration.

    Parameters
    ----------
    tasks : str
        ``shared``: one duration for all tasks of a worker in an iteration, so that s tasks take s
        times as long (Ozfatura et al., eq. (12)). ``independent``: each task has its own. These
        are tasks of the model: where those of a scheme are smaller, several go into one duration
        and each takes its share of it, so that a piece of work takes as long however it is cut.
    seed : int
    """

    def __init__(self, tasks: str, seed: int) -> None:
        if tasks not in ("shared", "independent"):
            raise UsageError(f"tasks = {tasks}: choose shared or independent")
        self.independent, self.seed = tasks == "independent", seed

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw durations of a task in seconds."""

    @abstractmethod
    def exceeds(self, x: Floats) -> Floats:
        """Probability that a task takes longer than x seconds."""

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
    """Select tasks, (tasks,) or (workers, tasks), from times of shape (..., workers, all tasks)."""
    workers, tasks = times.shape[-2:]
    places = np.arange(workers)[:, None] * tasks + task
    selected: Floats = times.reshape(*times.shape[:-2], -1).take(places, axis=-1)
    return selected
