"""This module holds observed ends of tasks, and how long tasks were watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

LEAST = 1e-6
"""Shortest plausible duration in seconds."""


class ObservedTimes(NamedTuple):
    """This tuple holds durations, some of which are right-censored: only a lower limit is known."""

    seconds: Floats
    """Durations, or lower limits, in seconds."""
    known: Bools
    """Whether each duration is known; False for right-censored ones."""
    limit: Floats
    """Time in seconds for which each duration was watched."""

    @classmethod
    def all_known(cls, seconds: Floats) -> ObservedTimes:
        """Return durations that were watched to the end."""
        return cls(seconds, np.ones(seconds.shape, np.bool_), np.full(seconds.shape, np.inf))

    @property
    def ends(self) -> int:
        """Number of known durations."""
        return int(np.count_nonzero(self.known))

    def of(self, which: Bools) -> ObservedTimes:
        """Return the durations marked in `which`."""
        return ObservedTimes(self.seconds[which], self.known[which], self.limit[which])

    def divided(self, factors: Floats) -> ObservedTimes:
        """Return the durations (iterations, M), divided by a factor for each worker."""
        return ObservedTimes(self.seconds / factors, self.known, self.limit / factors)


class Lines(NamedTuple):
    """This tuple holds straight lines through the finish times of each worker in each iteration."""

    first: ObservedTimes
    """Time until the first message, (iterations, M)."""
    tasks: Integers
    """Number of tasks of the first message, (M,)."""
    both: Bools
    """Whether at least two messages were seen, (iterations, M)."""
    slope: Floats
    """Duration of a measured task by least squares, (iterations, M); 0 unless `both`."""
    least: Floats
    """Least duration of a task after the first message if no other was seen; else 0."""


@dataclass(frozen=True)
class TaskTimes:
    """Task times are finish times of tasks, in seconds after the worker received its point.

    Parameters
    ----------
    finish : (iterations, M, J) array
        Finish times; nan if the end was not observed.
    done : (M, J) integers
        Tasks done by then; 0 if the worker sends no such message.
    until : (iterations, M) array
        Time for which the worker was watched, even if its tasks ended before; inf if all workers
        that were watched together were watched until their last task ended.
    size : float
        Work of such a task. Durations are those of a task of size 1, and overheads are what they
        are.
    """

    finish: Floats
    done: Integers
    until: Floats
    size: float = 1.0

    @property
    def workers(self) -> int:
        """Number of workers M."""
        return int(self.finish.shape[1])

    def earlier(self, seconds: float) -> TaskTimes:
        """Return these times less a latency of `seconds`, but at least `LEAST`."""
        return replace(
            self,
            finish=np.maximum(self.finish - seconds, LEAST),
            until=np.maximum(self.until - seconds, LEAST),
        )

    def scaled(self, factor: float) -> TaskTimes:
        """Return these times as those of tasks `factor` times as long, if there is no overhead."""
        return replace(self, size=self.size / factor)

    def shared(self) -> ObservedTimes:
        """Return task durations, of shape (iterations, M), if a worker's tasks share one.

        A duration is known from the last task that was seen to end. If none was, it is censored.
        """
        counts = np.where(np.isfinite(self.finish) & (self.done > 0), self.done, 0)
        last = counts.argmax(axis=2)[..., None]
        tasks = np.take_along_axis(counts, last, 2)[..., 0]
        ends = np.take_along_axis(self.finish, last, 2)[..., 0]
        known = tasks > 0
        first = np.where(self.done > 0, self.done, np.iinfo(np.int64).max).min(axis=1)
        watched = self.until / (first * self.size)
        seconds = ends / (np.maximum(tasks, 1) * self.size)
        return ObservedTimes(np.where(known, seconds, watched), known, watched)

    def lines(self) -> Lines:
        """Return overheads plus durations that all tasks of a worker share, as straight lines."""
        sent = np.where(self.done > 0, self.done, np.iinfo(np.int64).max)
        ordered = np.sort(sent, axis=1)
        tasks = ordered[:, 0]
        seen = np.isfinite(self.finish) & (self.done > 0)
        place = np.broadcast_to(sent.argmin(axis=1)[:, None], (len(seen), self.workers, 1))
        known = np.take_along_axis(seen, place, axis=2)[..., 0]
        first = np.where(known, np.take_along_axis(self.finish, place, axis=2)[..., 0], self.until)
        count = seen.sum(axis=2)
        both = count > 1
        some = np.maximum(count, 1)[..., None]
        x = np.where(seen, self.done - (seen * self.done).sum(axis=2, keepdims=True) / some, 0.0)
        y = np.where(seen, self.finish, 0.0)
        slope = (x * y).sum(axis=2) / np.where(both, (x**2).sum(axis=2), 1.0)
        least = np.zeros(first.shape)
        if self.done.shape[1] > 1:
            more = np.where(ordered[:, 1] < np.iinfo(np.int64).max, ordered[:, 1] - tasks, np.inf)
            rest = np.where(np.isfinite(self.until), self.until, 0.0) - first
            least = np.where(known & ~both, np.maximum(rest, 0.0) / more, 0.0)
        return Lines(ObservedTimes(first, known, self.until), tasks, both, slope, least)

    def independent(self) -> ObservedTimes | None:
        """Return the duration of every task, of shape (iterations, M, J).

        Tasks that were never begun count as watched for 0 s. The result is None if messages carry
        several tasks.
        """
        if (np.diff(self.done, axis=1, prepend=0)[self.done > 0] != 1).any():
            return None
        known = np.isfinite(self.finish) & (self.done > 0)
        begin = np.concatenate([np.zeros_like(self.finish[..., :1]), self.finish[..., :-1]], axis=2)
        begun = np.isfinite(begin) & (self.done > 0)
        watched = np.where(begun, np.maximum(self.until[..., None] - begin, 0), 0.0)
        return ObservedTimes(
            np.where(known & begun, np.maximum(self.finish - begin, LEAST), watched) / self.size,
            known & begun,
            watched / self.size,
        )
