"""The delay model of the planner is the measured distribution itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from coded_dgd.delays._durations import DrawnDurations
from coded_dgd.delays._recorded import Recorded
from coded_dgd.delays.base import DelayModel
from coded_dgd.planner.censoring import differences, imputed, lasting, longer
from coded_dgd.planner.observations import Floats, Integers, ObservedTimes, TaskTimes

ROWS = 2048
"""Least number of iterations of a delay model whose workers are drawn independently."""
STRETCH = 25
"""Least length of a stretch of consecutive iterations."""
SHIFTS = 64
"""Number of random shifts that show what correlation of workers may be chance."""
DEPENDENT = 3.0
"""Standard deviations from which on workers count as correlated."""
UNLIKE = 0.5
"""Part of the differences of the workers' spreads from which on they count as lasting."""
WINDOWS, LONGEST = 20, 50
"""Number of blocks of a bootstrap sample, and largest length of one in iterations."""


class Replay(Recorded):
    """The model replays iterations; no iteration is drawn twice before each was drawn once.

    If few consecutive iterations are asked for, they are stretches from all over the measurement.
    """

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        rows = np.resize(rng.permutation(len(self.times)), realisations)
        return self._replayed(rows, slice(workers), work)

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        count = len(self.times)
        parts = max(iterations // STRETCH, 1) if count > iterations else 1
        starts = rng.integers(count) + count * np.arange(parts) // parts
        rows = (starts[:, None] + np.arange(-(-iterations // parts))).ravel()[:iterations] % count
        return self._replayed(rows, slice(workers), work)


class PooledTasks(DrawnDurations):
    """The model draws each task of each worker from the same measured durations."""

    def __init__(self, durations: Floats) -> None:
        super().__init__("independent", 0)
        self.durations = durations

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return rng.choice(self.durations, shape)

    def exceeds(self, x: Floats) -> Floats:
        ordered = np.sort(self.durations)
        return 1 - np.searchsorted(ordered, x, side="right") / len(ordered)


@dataclass(frozen=True)
class Measured:
    """This class holds the measured durations of tasks and start-up overheads, in seconds."""

    seconds: Floats
    """Duration that all tasks of a worker share in an iteration, (iterations, M), or durations of
    tasks that are independent, (tasks,)."""
    overhead: Floats
    """Start-up overheads, of the same shape."""
    apart: bool
    """Whether workers are independent, so that any two of their iterations may meet."""
    alike: bool
    """Whether workers are alike but for lasting factors."""
    per: str | None
    """Unit in which the delay model counts the work of blocks; None if schemes decide."""

    @classmethod
    def independent(cls, single: ObservedTimes, per: str | None) -> Measured:
        """Return durations of tasks that do not depend on each other, nor on the worker.

        Parameters
        ----------
        single : ObservedTimes
            Durations of single tasks, of shape (tasks,); censored ones are drawn.
        per : str, optional
            See `per`.
        """
        begun = single.of(single.limit > 0)
        seconds = begun.seconds.copy()
        if begun.ends < len(seconds):
            order = np.random.default_rng(0).permutation(len(seconds) - begun.ends)
            seconds[~begun.known] = longer(begun, order)
        return cls(seconds, np.zeros(len(seconds)), True, True, per)

    @classmethod
    def of(cls, times: TaskTimes, additive: bool, per: str | None) -> Measured:
        """Return durations that the tasks of a worker share, and overheads if there are any.

        Parameters
        ----------
        times : TaskTimes
            Measured finish times of tasks.
        additive : bool
            Whether the time of a worker is a start-up overhead and a time for each task.
        per : str, optional
            See `per`.
        """
        rng = np.random.default_rng(0)
        if additive:
            overhead, seconds = _overheads(times, rng)
        else:
            seconds = imputed(times.shared(), rng)
            overhead = np.zeros(seconds.shape)
        logarithms = np.log(np.maximum(overhead + seconds, 1e-12))
        apart = not _dependent(logarithms, rng)
        return cls(seconds, overhead, apart, apart and _alike(logarithms), per)

    def redrawn(self, rng: np.random.Generator) -> Measured:
        """Return a bootstrap sample of blocks of consecutive iterations."""
        count = len(self.seconds)
        block = int(np.clip(count // WINDOWS, 1, LONGEST))
        starts = rng.integers(count, size=-(-count // block))
        rows = ((starts[:, None] + np.arange(block)) % count).ravel()[:count]
        return replace(self, seconds=self.seconds[rows], overhead=self.overhead[rows])

    def model(self, rows: int = ROWS) -> DelayModel:
        """Return the delay model.

        Workers that are not independent take part in the measured iterations, in order. Others are
        shifted against each other in time, which keeps the correlation of each worker in time. If
        workers are alike, each also takes the place of others, at its own lasting speed.

        Parameters
        ----------
        rows : int
            Least number of iterations of independent workers.
        """
        found: DelayModel
        if self.seconds.ndim == 1:
            found = PooledTasks(self.seconds)
        elif self.apart:
            found = self._shifted(np.random.default_rng(0), rows)
        else:
            found = Replay(self.seconds, overhead=self.overhead)
        found.per = self.per
        return found

    def _shifted(self, rng: np.random.Generator, rows: int) -> Replay:
        count, workers = self.seconds.shape
        times = -(-rows // count)
        shifts = rng.integers(count, size=(times, 1, workers))
        row = ((np.arange(count)[:, None] + shifts) % count).reshape(-1, workers)
        if not self.alike:
            own = np.arange(workers)
            return Replay(self.seconds[row, own], overhead=self.overhead[row, own])
        source = rng.integers(workers, size=(times, 1, workers))
        column = np.broadcast_to(source, (times, count, workers)).reshape(-1, workers)
        parts = []
        for part in (self.seconds, self.overhead):
            factors = lasting(part)
            parts.append((part / factors)[row, column] * factors)
        return Replay(parts[0], overhead=parts[1])


def _overheads(times: TaskTimes, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return overheads and durations (iterations, M) of tasks, some of which were cut off.

    Where less than two messages were seen, the duration is that of the worker whose first message
    was most nearly as late, but long enough for the second message to be missing.
    """
    line = times.lines()
    count = line.tasks
    first = imputed(line.first, rng)
    donors = np.flatnonzero(line.both.ravel())
    donors = donors[np.argsort(first.ravel()[donors], kind="stable")]
    if not donors.size:
        return np.zeros(first.shape), first / count
    place = np.searchsorted(first.ravel()[donors], first)
    given = line.slope.ravel()[donors[np.minimum(place, len(donors) - 1)]]
    seconds = np.where(line.both, line.slope, np.maximum(given, line.least))
    seconds = np.clip(seconds, 0.0, first / count)
    return first - count * seconds, seconds / times.size


def _alike(logarithms: Floats) -> bool:
    """Return whether workers are alike but for factors: their spreads differ by chance only."""
    means, chance = differences(np.abs(logarithms - np.median(logarithms, axis=0)))
    return float(means.var()) < chance / (1 - UNLIKE)


def _dependent(values: Floats, rng: np.random.Generator) -> bool:
    """Return whether workers are correlated within iterations.

    The mean correlation of ranks, and the mean of its squares, are compared with those of workers
    that are shifted against each other in time, which keeps correlation in time.
    """
    count, workers = values.shape
    if workers < 2 or count < 4:
        return False
    ranks = stats.rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    scale = np.sqrt((ranks**2).sum(axis=0))
    ranks /= np.where(scale > 0, scale, 1.0)
    upper = np.triu_indices(workers, 1)

    def statistics(shifts: Integers) -> tuple[float, float]:
        rows = (np.arange(count)[:, None] + shifts) % count
        moved = np.take_along_axis(ranks, rows, axis=0)
        pairs = (moved.T @ moved)[upper]
        return float(pairs.mean()), float((pairs**2).mean())

    own = np.array(statistics(np.zeros(workers, dtype=np.int64)))
    chance = np.array([statistics(each) for each in rng.integers(count, size=(SHIFTS, workers))])
    off = np.abs(own - chance.mean(axis=0)) / np.maximum(chance.std(axis=0), 1e-12)
    return bool((off > DEPENDENT).any())
