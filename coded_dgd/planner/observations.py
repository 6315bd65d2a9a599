"""When tasks were seen to end, and how long they were watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

LEAST = 1e-6
"""Seconds: the shortest duration that is believed."""


class ObservedTimes(NamedTuple):
    """Durations, of which some are only known to be longer than what stands there."""

    seconds: Floats
    known: Bools
    """False where the watching ended first: right-censored."""
    limit: Floats
    """How long a duration was watched for."""

    @property
    def exposure(self) -> float:
        """Seconds that were watched in all."""
        return float(self.seconds.sum())

    @property
    def ends(self) -> int:
        """Durations that are known."""
        return int(np.count_nonzero(self.known))

    def of(self, which: Bools) -> ObservedTimes:
        """Return some of them."""
        return ObservedTimes(self.seconds[which], self.known[which], self.limit[which])

    def shorter(self, factor: float) -> ObservedTimes:
        """Return them divided by a factor."""
        return ObservedTimes(self.seconds / factor, self.known, self.limit / factor)


@dataclass(frozen=True)
class TaskTimes:
    """Finish times of tasks, in seconds after the worker was asked.

    Parameters
    ----------
    finish : (iterations, M, J) array
        nan where the end has not been seen.
    done : (M, J) integers
        Tasks done by then; 0 where a worker sends no such message.
    until : (iterations, M) array
        How long the worker was watched, also where its tasks had ended before; inf where the
        watching went on until all had, of all workers that were watched together.
    """

    finish: Floats
    done: Integers
    until: Floats

    @property
    def workers(self) -> int:
        """M."""
        return int(self.finish.shape[1])

    def earlier(self, seconds: float) -> TaskTimes:
        """Return these times, seen `seconds` earlier: without a latency, but none below zero."""
        return TaskTimes(
            np.maximum(self.finish - seconds, LEAST),
            self.done,
            np.maximum(self.until - seconds, LEAST),
        )

    def scaled(self, factor: float) -> TaskTimes:
        """Return these times for tasks that are so much as long."""
        return TaskTimes(self.finish * factor, self.done, self.until * factor)

    def shared(self) -> ObservedTimes:
        """Duration of a task where all of a worker's tasks share it: (iterations, M).

        It is known from the last task that was seen to end, and longer than the watch allows for
        where none was.
        """
        counts = np.where(np.isfinite(self.finish) & (self.done > 0), self.done, 0)
        last = counts.argmax(axis=2)[..., None]
        tasks = np.take_along_axis(counts, last, 2)[..., 0]
        ends = np.take_along_axis(self.finish, last, 2)[..., 0]
        known = tasks > 0
        first = np.where(self.done > 0, self.done, np.iinfo(np.int64).max).min(axis=1)
        watched = self.until / first
        return ObservedTimes(np.where(known, ends / np.maximum(tasks, 1), watched), known, watched)

    def independent(self) -> ObservedTimes | None:
        """Duration of every task on its own: (iterations, M, J); None where messages carry several.

        Of tasks that were never begun nothing is known: they are watched for 0 s.
        """
        if (np.diff(self.done, axis=1, prepend=0)[self.done > 0] != 1).any():
            return None
        known = np.isfinite(self.finish) & (self.done > 0)
        begin = np.concatenate([np.zeros_like(self.finish[..., :1]), self.finish[..., :-1]], axis=2)
        begun = np.isfinite(begin) & (self.done > 0)
        watched = np.where(begun, np.maximum(self.until[..., None] - begin, 0), 0.0)
        return ObservedTimes(
            np.where(known & begun, np.maximum(self.finish - begin, LEAST), watched),
            known & begun,
            watched,
        )
