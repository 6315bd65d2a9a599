"""This module is the base of delay models that replay recorded iterations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays.base import SHARE, DelayModel, Floats, task_under_way


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
    overhead : (iterations, M) array, optional
        Start-up overhead in seconds, to which durations of tasks add; 0 by default.

    Notes
    -----
    Of recorded finish times, a smaller task is done with the recorded one that it is part of. If
    blocks count by ``share``, recorded tasks are divided evenly instead. The first one begins after
    an overhead, which is what it takes longer than the second.
    """

    def __init__(self, times: Floats, unit: float = 1.0, overhead: Floats | None = None) -> None:
        self.times, self.unit = times, unit
        self.overhead = np.zeros(times.shape[:2]) if overhead is None else overhead
        self.has_overhead = overhead is not None
        self.may_stall = bool(np.isinf(times).any())
        if times.ndim == 3:
            self.most_work = times.shape[2] * unit

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        row = np.array([iteration % len(self.times)])
        times: Floats = self._replayed(row, slice(worker, worker + 1), work)[0, 0]
        return times

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        rows = rng.integers(len(self.times), size=realisations)
        return self._replayed(rows, slice(workers), work)

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        first = int(rng.integers(len(self.times)))
        rows = (first + np.arange(iterations)) % len(self.times)
        return self._replayed(rows, slice(workers), work)

    def trace(self, iterations: int, workers: int, work: Floats) -> Floats:
        return self._replayed(np.arange(iterations) % len(self.times), slice(workers), work)

    def _replayed(self, rows: NDArray[np.int64], workers: slice, work: Floats) -> Floats:
        """Return the finish times in these iterations, of shape (iterations, workers, tasks)."""
        times = self.times[rows, workers]
        if times.ndim == 2:
            finish: Floats = self.overhead[rows, workers, None] + times[..., None] * work
            return finish
        task = np.broadcast_to(self._task(work), (times.shape[1], work.shape[-1]))
        end: Floats = np.take_along_axis(times, task[None], axis=2)
        if self.per != SHARE:
            return end
        first = times[..., :1]
        second = times[..., 1:2] if times.shape[2] > 1 else 2 * first
        with np.errstate(invalid="ignore"):  # of tasks that never end
            overhead = np.nan_to_num(np.maximum(2 * first - second, 0.0))
            begin = np.concatenate([overhead, times[..., :-1]], axis=2)
            takes = end - np.take_along_axis(begin, task[None], axis=2)
        left = task + 1 - work / self.unit
        return np.where((left > 1e-9) & np.isfinite(end), end - left * np.nan_to_num(takes), end)

    def _task(self, work: Floats) -> NDArray[np.int64]:
        return task_under_way(work / self.unit)
