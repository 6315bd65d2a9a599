"""Baselines say what an iteration takes without coding, and what it could take at best.

They tell three kinds of clusters apart; see `Baselines.kind`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.theory.perfect_split import SLIVER, split_times

RARE, LASTING, MILD = "rare", "lasting", "mild"
WINDOW = 10
"""Number of iterations from which the speed of a worker is learnt."""
HALF = 0.5
"""Fraction of what a perfect split saves from which on shares by speed suffice."""
WORTH = 0.05
"""Least fraction of the time that shares by speed have to save."""
TWO_TASKS = 2.0
"""Time of two tasks over that of one, if a trace does not tell."""
NEGLIGIBLE = 1e-9
"""Times are at least this fraction of the longest one where a speed is computed."""


@dataclass(frozen=True)
class Baselines:
    """Mean times of an iteration in which messages take no time, in the unit of the trace."""

    uncoded: float
    """All workers are waited for; inf if one never ends."""
    without_stragglers: float
    """Every worker takes the median time of its iteration."""
    by_speed: float
    """As `uncoded`, with shares in proportion to the speeds of the last `WINDOW` iterations."""
    perfect: float
    """The work of each iteration is split perfectly by speed, so that nobody waits."""

    @property
    def slowdown(self) -> float:
        """Time of `uncoded` over that without stragglers."""
        return _ratio(self.uncoded, self.without_stragglers)

    @property
    def saved_by_speed(self) -> float:
        """Fraction of the time that shares by speed save."""
        return 1 - _ratio(self.by_speed, self.uncoded)

    @property
    def saved_at_best(self) -> float:
        """Fraction of the time that a perfect split saves."""
        return 1 - _ratio(self.perfect, self.uncoded)

    def kind(self, two_tasks: float = TWO_TASKS) -> str:
        """Return which kind of cluster this is.

        ``lasting``
            Lasting differences in speed: shares by the speed of the last iterations save at least
            half of what a perfect split would save, and at least 5 % of the time.
        ``rare``
            Heavy stragglers that cannot be predicted: `slowdown` is at least the time of two tasks
            over that of one. Exact codes need a load of 2 or more, which costs a typical worker
            that much, and pay only if waiting for the slowest costs more.
        ``mild``
            Neither: no code with a load of 2 can pay. Workers that take over small blocks of
            others save less than `saved_at_best`.

        Parameters
        ----------
        two_tasks : float
            Time of two tasks over that of one.
        """
        saved = self.saved_by_speed
        if saved >= WORTH and saved >= HALF * self.saved_at_best:
            return LASTING
        return RARE if self.slowdown >= two_tasks else MILD


def baselines(times: Floats) -> Baselines:
    """Return the baselines of a trace.

    A part x of the first task of a worker takes the time O + x D. Of finish times T_1, T_2, ... the
    start-up overhead is O = max(2 T_1 - T_2, 0), as `delays._recorded` takes it; of durations it
    is 0.

    Parameters
    ----------
    times : (iterations, M) or (iterations, M, work) array
        Durations of tasks, or finish times; inf for never.
    """
    workers = times.shape[1]
    overhead, duration = _parts(times)
    first = overhead + duration
    least = NEGLIGIBLE * float(first[np.isfinite(first)].max(initial=0.0))
    duration = np.maximum(duration, least)
    parts = np.array([SLIVER, workers])  # the overhead is not spread over the work
    finish = overhead[..., None] + duration[..., None] * parts
    by_speed = []
    for start, time, share in zip(overhead, duration, _shares(first, least), strict=True):
        works = share > 0
        by_speed.append((start[works] + share[works] * time[works]).max())
    return Baselines(
        uncoded=float(first.max(axis=1).mean()),
        without_stragglers=float(without_stragglers(first).mean()),
        by_speed=float(np.mean(by_speed)),
        perfect=float(split_perfectly(finish, parts).mean()),
    )


def without_stragglers(first: Floats) -> Floats:
    """Return the time of the median worker in each iteration, given times (iterations, M)."""
    times: Floats = np.median(first, axis=1)
    return times


def split_perfectly(finish: Floats, shares: Floats) -> Floats:
    """Return the times of iterations whose work is split perfectly by the speed of the workers.

    Parameters
    ----------
    finish : (iterations, M, K) array
        Finish times of K parts of work that a worker does one after the other; inf for never.
    shares : (K,) array
        Work at the end of each part, where 1 is 1/M of the work of all.

    Returns
    -------
    (iterations,) array
        Times; inf if a worker would do more than there are finish times for.
    """
    workers = finish.shape[1]
    times = split_times(finish, workers, np.diff(shares, prepend=0.0))
    out_of_work = (finish[..., -1] < times[:, None]).any(axis=1) & (shares[-1] < workers)
    return np.where(out_of_work, inf, times)


def _parts(times: Floats) -> tuple[Floats, Floats]:
    """Return the overhead and the rest of the time of the first task of each worker."""
    first = times if times.ndim == 2 else times[..., 0]
    if times.ndim == 2 or times.shape[2] == 1:
        return np.zeros(first.shape), first
    with np.errstate(invalid="ignore"):  # of tasks that never end
        overhead = np.nan_to_num(np.maximum(2 * first - times[..., 1], 0.0))
    return overhead, first - overhead


def _shares(first: Floats, least: float) -> Iterator[Floats]:
    """Return the parts of a task, 1 on average, of the workers in each iteration.

    A trace starts over at its end, so that its first iterations follow its last ones. A worker
    whose task has never ended gets no part, whereas `scheduling.pace.LearntPace`, by which the
    figure ``traces`` of `reproduce` divides the work, learns from tasks that end.
    """
    count, workers = first.shape
    for iteration in range(count):
        before = first[np.arange(iteration - min(WINDOW, count - 1), iteration)]
        speed = np.ones(workers)
        if len(before):
            speed = 1 / np.maximum(before.mean(axis=0), least)
        yield speed / speed.mean() if speed.any() else np.ones(workers)


def _ratio(time: float, other: float) -> float:
    """Return the ratio of two times, each of which may be 0 or inf; 1 if they are equal."""
    if time == other:
        return 1.0
    return time / other if other > 0 else inf
