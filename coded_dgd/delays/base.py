"""What a delay model is: how long each task of each worker takes, seeded and reproducible."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class DelayModel(ABC):
    """Durations of tasks, the same for (seed, iteration, worker) in every scheme and transport.

    Workers are numbered from 0; worker i is MPI rank i + 1. Times are in seconds after the worker
    has received beta_t. A model is built as ``Model(seed=..., **parameters)``.
    """

    injects: ClassVar[bool] = True
    """Whether the model delays anything, so that there is an ideal to hold a run against."""

    parameters: ClassVar[Mapping[str, tuple[Callable[[str], Any], Any]]] = {}
    """Conversion and default of each parameter of ``--delay name:key=value,...``."""

    takes_path: ClassVar[bool] = False
    """Whether all behind ``name:`` is a path, the value of the only parameter."""

    may_stall = False
    """Whether some task may never finish."""

    @abstractmethod
    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        """Finish times of the worker's tasks in this iteration.

        Parameters
        ----------
        work : (tasks,) array
            How much is done when each task is, in tasks of the model: 1, 2, ..., or less where
            the tasks are smaller ones.

        Returns
        -------
        (tasks,) array
            In seconds, non-decreasing; inf for never.
        """

    @abstractmethod
    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        """Draw independent realisations of an iteration.

        Parameters
        ----------
        work : (tasks,) or (workers, tasks) array
            As above; the same for all workers, or each its own.

        Returns
        -------
        (realisations, workers, tasks) array
        """

    def survival(self, worker: int, x: Floats) -> Floats | None:
        """Pr(duration of a task > x seconds), or None where there is no such law.

        There is one where all tasks of a worker in an iteration share one duration, so that s
        tasks take s times as long, and the workers are independent.
        """
        return None

    def density(self, worker: int, x: Floats) -> Floats | None:
        """Density of that law at x in 1/s, or None where it has none, or there is no law."""
        return None

    def kind(self, worker: int) -> Hashable:
        """Workers of one kind have the same law."""
        return worker

    def breakpoints(self, worker: int) -> tuple[float, ...]:
        """Durations in seconds at which `survival` has a kink or a step."""
        return ()

    def check(self, workers: int, work: Floats) -> None:
        """Refuse, as UsageError, numbers of workers and tasks that the model does not cover."""

    def trace(self, iterations: int, workers: int, work: Floats) -> Floats:
        """Finish times of a whole run, of shape (iterations, workers, tasks)."""
        times = np.empty((iterations, workers, len(work)))
        for iteration in range(iterations):
            for worker in range(workers):
                times[iteration, worker] = self.finish_times(iteration, worker, work)
        return times


def stream(seed: int, iteration: int, worker: int) -> np.random.Generator:
    """Return the random stream of one worker in one iteration."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, iteration, worker)))


def task_under_way(work: Floats) -> NDArray[np.int64]:
    """Index of the task that is being done when that much work has been."""
    return np.ceil(work - 1e-9).astype(np.int64) - 1
