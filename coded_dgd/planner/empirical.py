"""The measured times themselves, where no law fits them."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import DelayModel, Floats
from coded_dgd.planner.observations import Integers, TaskTimes


class Empirical(DelayModel):
    """Whole measured iterations, drawn with replacement: workers slow together stay so.

    Parameters
    ----------
    start, seconds : (iterations, M) arrays
        s tasks take start + s seconds.
    seed : int
    """

    def __init__(self, start: Floats, seconds: Floats, seed: int) -> None:
        self.start, self.seconds, self.seed = start, seconds, seed

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        row = iteration % len(self.seconds)
        times: Floats = self.start[row, worker] + self.seconds[row, worker] * work
        return times

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        row = rng.integers(len(self.seconds), size=(realisations, 1, 1))
        worker = np.arange(workers)[:, None]
        times: Floats = self.start[row, worker] + self.seconds[row, worker] * work
        return times


def lines(times: TaskTimes) -> tuple[Floats, Floats]:
    """Put a line through the first and the last task of each worker: start and seconds per task.

    Where only one task was seen to end, all took as long; of none the watch is taken for its end.
    """
    sample, done = times.shared(), times.done.astype(np.float64)
    seen = np.isfinite(times.finish) & (times.done > 0)
    first, last = seen.argmax(axis=2), times.done.shape[1] - 1 - seen[..., ::-1].argmax(axis=2)
    several = seen.any(axis=2) & (first < last)

    def at(index: Integers, values: Floats) -> Floats:
        everywhere = np.broadcast_to(values, times.finish.shape)
        found: Floats = np.take_along_axis(everywhere, index[..., None], 2)[..., 0]
        return found

    with np.errstate(divide="ignore", invalid="ignore"):
        ends, tasks = at(first, times.finish), at(first, done)
        slope = (at(last, times.finish) - ends) / (at(last, done) - tasks)
        start = ends - tasks * slope
    several &= start >= 0
    return np.where(several, start, 0.0), np.where(several, slope, sample.seconds)
