"""A description says what a trace looks like, and against which stragglers its cluster has to act.

Where a trace has the finish times of several tasks, the first task is described, as it is the work
of a worker without coding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.errors import DataError
from coded_dgd.planner.fitting import Fit, fit
from coded_dgd.planner.observations import LEAST, TaskTimes
from coded_dgd.traces.baselines import MILD, TWO_TASKS, Baselines, baselines
from coded_dgd.traces.growth import Growth, growth

LAGS = (1, 5, 20)
"""Lags in iterations at which the autocorrelation is given."""
PAIRS = 3
"""Number of pairs from which on a worker's autocorrelation is computed."""
SHORTEST, LONGEST = 1e-12, 1e12
"""Range of times other than 0 and inf, in which no product of theirs overflows."""
FITTED = 200_000
"""Maximum number of finish times to which laws are fitted, from the first iterations on."""


@dataclass(frozen=True)
class StragglerSpread:
    """The spread of an iteration is the time of its slowest worker over its median time.

    The mean, the median and the 99th percentile are over iterations.
    """

    mean: float
    median: float
    p99: float


@dataclass(frozen=True)
class TraceDescription:
    """A description holds the figures of a trace; None stands for one that it does not tell."""

    iterations: int
    workers: int
    tasks: int | None
    """Number of finish times of each worker in an iteration; None for durations."""
    never: float
    """Fraction of the first tasks that never end, or were cancelled."""
    cancelled: bool
    """Whether there are such tasks and they were cancelled; what stragglers cost is then a lower
    limit."""
    spread: StragglerSpread | None
    """None if the median of every iteration is 0 or inf."""
    autocorrelation: dict[int, float]
    """Mean over workers of the autocorrelation of the logarithm of a worker's times, by lag."""
    slowest_to_fastest: float | None
    """Median time of the slowest worker over that of the fastest."""
    lasting: float | None
    """Fraction of the variance within iterations, of logarithms, that is between workers."""
    growth: Growth | None
    """How times grow with work; None for durations, which do not tell."""
    baselines: Baselines
    fits: list[Fit]
    """Fitted laws, the nearest first."""

    @property
    def kind(self) -> str | None:
        """Kind of the cluster, see `Baselines.kind`; None if cancelled tasks leave it open."""
        two_tasks = self.growth.second_task if self.growth else TWO_TASKS
        kind = self.baselines.kind(two_tasks)
        return None if kind == MILD and self.cancelled else kind


def describe(times: Floats, name: str = "the trace", cancelled: bool = False) -> TraceDescription:
    """Describe a trace.

    Parameters
    ----------
    times : (iterations, M) or (iterations, M, work) array
        Durations of tasks, or finish times; inf for never.
    name : str
        What errors call the trace.
    cancelled : bool
        Whether tasks of inf were cancelled. They then count as ending with the last other first
        task of their iteration, so that figures are lower limits of what stragglers cost. Laws are
        fitted to them as censored durations.

    Raises
    ------
    DataError
        If no first task takes a finite time above 0, or a time is out of range.
    """
    first = times if times.ndim == 2 else times[..., 0]
    known = times[np.isfinite(times) & (times > 0)]
    if known.size and not SHORTEST <= known.min() <= known.max() <= LONGEST:
        raise DataError(
            f"{name} has times from {known.min():g} to {known.max():g} s: give times, other than 0 "
            f"and inf, from {SHORTEST:g} to {LONGEST:g} s"
        )
    if not (np.isfinite(first) & (first > 0)).any():
        raise DataError(f"{name}: no first task takes a finite time above 0: give another trace")
    never = float(np.isinf(first).mean())
    cancelled = cancelled and never > 0
    if cancelled:
        first = _at_least(first)
    return TraceDescription(
        iterations=len(times),
        workers=times.shape[1],
        tasks=times.shape[2] if times.ndim == 3 else None,
        never=never,
        cancelled=cancelled,
        spread=_spread(first),
        autocorrelation=autocorrelation(first, LAGS),
        slowest_to_fastest=_slowest_to_fastest(first),
        lasting=_lasting(first),
        growth=growth(times) if times.ndim == 3 else None,
        baselines=baselines(first if cancelled else times),
        fits=_fits(times),
    )


def autocorrelation(first: Floats, lags: Sequence[int]) -> dict[int, float]:
    """Return the mean autocorrelation at each lag up to half the number of iterations.

    It is that of the logarithms of a worker's times, averaged over the workers that have one.
    Times that are 0 or inf are left out.

    Parameters
    ----------
    first : (iterations, M) array
        Times of the first tasks.
    lags : sequence of int
        Lags in iterations, 1 or more.

    Returns
    -------
    dict of int to float
        Autocorrelations by lag, without lags for which no worker has one.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(first)
    known = np.isfinite(logs)
    mean = np.where(known, logs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    off = np.where(known, logs - mean, 0.0)
    variance = (off**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    found = {}
    for lag in lags:
        if lag > len(first) // 2:
            continue
        pairs = (known[lag:] & known[:-lag]).sum(axis=0)
        has = (pairs >= PAIRS) & (variance > 1e-12)
        if has.any():
            together = (off[lag:] * off[:-lag]).sum(axis=0)
            total = (off**2).sum(axis=0)
            found[lag] = float((together[has] / total[has]).mean())
    return found


def _at_least(first: Floats) -> Floats:
    """Return times in which each of inf is the longest other one of its iteration.

    Iterations in which no task ended are left out.
    """
    known = np.isfinite(first)
    longest = np.where(known, first, 0.0).max(axis=1, keepdims=True)
    return np.where(known, first, longest)[known.any(axis=1)]


def _spread(first: Floats) -> StragglerSpread | None:
    median = np.median(first, axis=1)
    has = (median > 0) & np.isfinite(median)
    if not has.any():
        return None
    ratio = first[has].max(axis=1) / median[has]
    with np.errstate(invalid="ignore"):  # between two that are inf
        p99 = np.nan_to_num(np.quantile(ratio, 0.99), nan=np.inf, posinf=np.inf)
    return StragglerSpread(float(ratio.mean()), float(np.median(ratio)), float(p99))


def _slowest_to_fastest(first: Floats) -> float | None:
    medians = np.median(first, axis=0)
    return float(medians.max() / medians.min()) if 0 < medians.min() < np.inf else None


def _lasting(first: Floats) -> float | None:
    """Return the intraclass correlation of workers, by a two-way analysis of variance.

    The effect of an iteration, which is common to all workers, is left out.
    """
    known = np.isfinite(first) & (first > 0)
    whole = first[known.all(axis=1)]
    count, workers = whole.shape
    if count < 2 or workers < 2:
        return None
    logs = np.log(whole)
    logs -= logs.mean(axis=1, keepdims=True)
    of_worker = logs.mean(axis=0)
    between = count * (of_worker**2).sum() / (workers - 1)
    within = ((logs - of_worker) ** 2).sum() / ((workers - 1) * (count - 1))
    lasting = max((between - within) / count, 0.0)
    return float(lasting / (lasting + within)) if lasting + within > 0 else None


def _fits(times: Floats) -> list[Fit]:
    """Fit laws to the times; tasks that never end were watched until the last other one ended."""
    rows = max(2, FITTED // int(np.prod(times.shape[1:])))
    finish = times[:rows] if times.ndim == 3 else times[:rows, :, None]
    known = np.isfinite(finish)
    if not known.any():
        return []
    last = np.where(known, finish, 0.0).max(axis=(1, 2))
    until = np.where(known.all(axis=(1, 2)), np.inf, np.maximum(last, LEAST))
    done = np.arange(1, finish.shape[2] + 1)
    observed = TaskTimes(
        finish=np.where(known, np.maximum(finish, LEAST), np.nan),
        done=np.tile(done, (finish.shape[1], 1)),
        until=np.repeat(until[:, None], finish.shape[1], axis=1),
    )
    return [each for each in fit(observed) if each.measured is None]
