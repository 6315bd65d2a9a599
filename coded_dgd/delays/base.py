"""A delay model says how long each task of each worker takes, reproducibly for a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from math import inf
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError

Floats = NDArray[np.float64]


TASK, SHARE = "task", "share"
"""Units of work: a block counts as one task whatever its size, or as M/N of a task, so that any
number N of blocks is the same work."""


def unit_of_work(text: str) -> str:
    """Return a text that names a unit of work.

    Raises
    ------
    UsageError
        If it names none.
    """
    if text not in (TASK, SHARE):
        raise UsageError(
            f"per = {text}: choose per={TASK}, where every block counts as a task, or per={SHARE}, "
            "where a block counts as M/N of a task"
        )
    return text


class DelayModel(ABC):
    """A delay model gives the durations of tasks, as a function of seed, iteration and worker.

    The durations are therefore the same in every scheme and transport.

    Workers are numbered from 0; worker i is MPI rank i + 1. Times are in seconds after the worker
    has received beta_t. A model is built as ``Model(seed=..., **parameters)``.
    """

    injects: ClassVar[bool] = True
    """Whether the model delays tasks, so that a run can be compared with an ideal run."""

    parameters: ClassVar[Mapping[str, tuple[Callable[[str], Any], Any]]] = {}
    """Conversion and default of each parameter of ``--delay name:key=value,...``."""

    takes_path: ClassVar[bool] = False
    """Whether the whole text after ``name:`` is a path, the value of the only parameter."""

    per: str | None = None
    """Unit of work, ``task`` or ``share``, of ``--delay name:per=...``; None if the scheme decides,
    see `schemes.base.Scheme.work_under`."""

    share = 1.0
    """Work of 1/M of all data, in tasks of the model, if blocks count by ``share``."""

    may_stall = False
    """Whether some task may never finish."""

    most_work = inf
    """Largest work of a worker in an iteration for which the model has times, in its tasks."""

    has_overhead = False
    """Whether a start-up overhead precedes the first task of a worker in an iteration."""

    @abstractmethod
    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        """Return the finish times of the worker's tasks in this iteration.

        Parameters
        ----------
        work : (tasks,) array
            Cumulative work at the end of each task, in tasks of the model: 1, 2, ..., or less if
            the tasks of the scheme are smaller.

        Returns
        -------
        (tasks,) array
            Finish times in seconds, non-decreasing; inf for never.
        """

    @abstractmethod
    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        """Draw independent realisations of an iteration.

        Parameters
        ----------
        work : (tasks,) or (workers, tasks) array
            Cumulative work as in `finish_times`, either common to all workers or per worker.

        Returns
        -------
        (realisations, workers, tasks) array
            Finish times in seconds; inf for never.
        """

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        """Draw consecutive iterations of one run, with the parameters and the result of `sample`.

        They are independent unless workers stay slow from one iteration to the next.
        """
        return self.sample(rng, iterations, workers, work)

    def survival(self, worker: int, x: Floats) -> Floats | None:
        """Return Pr(duration of a task > x seconds), or None if there is no such law.

        The law exists if the workers are independent and all tasks of a worker in an iteration
        share one duration, so that s tasks take s times as long.
        """
        return None

    def density(self, worker: int, x: Floats) -> Floats | None:
        """Return the density of the law of `survival` at x in 1/s, or None if it does not exist."""
        return None

    def kind(self, worker: int) -> Hashable:
        """Return the kind of a worker; workers of one kind have the same law."""
        return worker

    def breakpoints(self, worker: int) -> tuple[float, ...]:
        """Return the durations in seconds at which `survival` has a kink or a step."""
        return ()

    def late(self, worker: int, t: float, work: Floats) -> Floats | None:
        """Return Pr(the work is not done by t), or None if there is no such law.

        The law exists if the workers are independent, and all that is random about the finish
        times of a worker in an iteration is shared by its tasks. More work is then late whenever
        less work is. By default the tasks share one duration, see `survival`.

        Parameters
        ----------
        t : float
            Seconds after the worker has received beta_t.
        work : (J,) array
            Cumulative work in tasks of the model, as in `finish_times`.

        Returns
        -------
        (J,) array
        """
        return self.survival(worker, t / work)

    def finish_density(self, worker: int, t: float, work: Floats) -> Floats | None:
        """Return the densities of the finish times at t in 1/s, or None if they do not exist.

        Parameters and shapes are those of `late`.
        """
        density = self.density(worker, t / work)
        return None if density is None else density / work

    def finish_breakpoints(self, worker: int, work: Floats) -> Floats:
        """Return the instants in seconds at which `late` or its density has a kink or a step."""
        return np.outer(self.breakpoints(worker), work).ravel()

    def check(self, workers: int, work: Floats) -> None:
        """Refuse numbers of workers and tasks that the model does not cover.

        Raises
        ------
        UsageError
            If the model does not cover them.
        """

    def trace(self, iterations: int, workers: int, work: Floats) -> Floats:
        """Return the finish times of a whole run, of shape (iterations, workers, tasks)."""
        times = np.empty((iterations, workers, len(work)))
        for iteration in range(iterations):
            for worker in range(workers):
                times[iteration, worker] = self.finish_times(iteration, worker, work)
        return times


def stream(seed: int, iteration: int, worker: int) -> np.random.Generator:
    """Return the random stream of one worker in one iteration."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, iteration, worker)))


def task_under_way(work: Floats) -> NDArray[np.int64]:
    """Return the index of the task in progress just before this amount of work is done."""
    return np.ceil(work - 1e-9).astype(np.int64) - 1
