"""Work split perfectly by speed is a lower limit on the completion time of any split.

Every worker works all the time, at its own speed, and no work is done twice or lost. If worker i
takes d_i seconds for 1/M of all data, the whole gradient takes ::

    T = M / sum_i 1/d_i

seconds. The mean of this harmonic mean over the laws of d_i is ::

    E[T] = M * integral over s > 0 of  prod_i E[exp(-s/d_i)]
    E[exp(-s/d)] = integral over y > 0 of  exp(-y) Pr(d > s/y)

because 1/x is the integral of exp(-s x). If tasks of a worker differ, the time of a task is spread
evenly over its work, and the mean is found by Monte Carlo. So is that of workers that begin after
an overhead o_i, where T solves sum_i max(T - o_i, 0) / d_i = M.

The limit on N whole tasks (`exact.lower_limit`) is larger. It counts only tasks that are done, and
at most r per worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Floats, Scheme
from coded_dgd.theory.moments import Moments

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
"""Quadrature of Gauss and Legendre on a panel."""
NEGLIGIBLE = 1e-14
"""Relative size of the outermost panels of an integral."""
POINTS = 2.0 ** np.arange(-60, 7)
"""Boundaries of the panels in y; the integral beyond them is below 1e-17."""
DRAWN = 2**22
"""Number of finish times that Monte Carlo draws in total."""
SLIVER = 1e-9
"""Part of a task whose finish time shows when a worker begins."""
FEWEST, MOST = 10, 10_000
"""Limits on the number of realisations."""


class PerfectSplit(NamedTuple):
    """This tuple is the mean time in seconds of work split perfectly by speed."""

    mean: float
    standard_error: float | None
    """Standard error of the mean; None if the mean is exact or infinite."""


def perfect_split(scheme: Scheme, delay: DelayModel, seed: int = 0) -> PerfectSplit:
    """Return the mean time until the work of N tasks is done, split perfectly by speed.

    It depends on the scheme by the numbers of workers and blocks and the unit of work alone, not on
    which worker holds which block.
    """
    if delay.survival(0, np.zeros(1)) is not None:
        of_block = float(scheme.work_under(delay)[0])
        return PerfectSplit(scheme.blocks * of_block * _mean_of_one(delay, scheme.workers), None)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(10,)))
    work = scheme.work_under(delay)[0] * np.arange(1.0, scheme.blocks + 1)
    work = work[work <= delay.most_work * (1 + 1e-9)]
    size = np.ones(len(work))
    if delay.has_overhead:  # the time of the first task is not spread over the overhead
        work = np.insert(work, 0, SLIVER * work[0])
        size = np.concatenate([[SLIVER, 1 - SLIVER], size[1:]])
    count = min(max(DRAWN // (scheme.workers * len(work)), FEWEST), MOST)
    found = Moments()
    at_once = max(1, DRAWN // 8 // (scheme.workers * len(work)))
    for first in range(0, count, at_once):
        finish = delay.sample(rng, min(at_once, count - first), scheme.workers, work)
        times = split_times(finish, scheme.blocks, size)
        if np.isinf(times).any():
            return PerfectSplit(inf, None)
        found = found.merge(Moments.of(times))
    return PerfectSplit(found.mean, found.standard_error)


def split_times(finish: Floats, tasks: int, size: Floats | float = 1.0) -> Floats:
    """Return the instants at which the work of a number of tasks is done.

    Parameters
    ----------
    finish : (realisations, M, K) array
        Finish times in seconds of tasks that a worker does one after the other.
    tasks : int
    size : (K,) array, optional
        Sizes of these tasks; by default all are whole.

    Returns
    -------
    (realisations,) array
        Seconds; inf if the workers never do as much.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        seconds = np.diff(finish, axis=2, prepend=0.0)
        speed = np.where(seconds > 0, size / seconds, 0.0)  # also for inf - inf
    flat = finish.reshape(len(finish), -1)
    # when so many tasks have ended, enough of them are whole
    most = tasks + np.count_nonzero(np.not_equal(size, 1)) * finish.shape[1]
    order = _first(flat, most)
    times = np.take_along_axis(flat, order, 1)

    def sorted_by_time(values: Floats) -> Floats:
        return np.take_along_axis(values.reshape(len(flat), -1), order, 1)

    # between two events the work grows at a constant rate; a task that takes no time is a step
    step = sorted_by_time(np.where(seconds == 0, size, 0.0))
    change = sorted_by_time(np.diff(speed, axis=2, append=0.0))
    rate = speed[:, :, 0].sum(axis=1, keepdims=True) + np.cumsum(change, axis=1) - change
    ended = np.isfinite(times)
    grown = np.cumsum(rate * np.diff(np.where(ended, times, 0.0), axis=1, prepend=0.0) * ended, 1)
    grown += np.cumsum(step, axis=1) - step  # work just before each event
    enough = ended & (grown + step >= tasks * (1 - 1e-12))
    event = enough.argmax(axis=1)[:, None]
    at, before, speeds = (np.take_along_axis(each, event, 1)[:, 0] for each in (times, grown, rate))
    over = np.maximum(before - tasks, 0.0)
    early = np.divide(over, speeds, out=np.zeros_like(over), where=over > 0)
    return np.where(enough.any(axis=1), at - early, inf)


def _first(times: Floats, count: int) -> NDArray[np.intp]:
    """Return the positions of the first `count` times in each row, or of all, in order of time."""
    if count >= times.shape[1]:
        return np.argsort(times, axis=1)
    some = np.argpartition(times, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(times, some, 1), axis=1)
    return np.take_along_axis(some, order, 1)


def _mean_of_one(delay: DelayModel, workers: int) -> float:
    """Return the mean seconds for one task of the delay model that all workers divide."""
    kinds = Counter(delay.kind(worker) for worker in range(workers))
    some = {delay.kind(worker): worker for worker in range(workers)}

    def product(s: float) -> float:
        return prod(_transform(delay, some[kind], s) ** n for kind, n in kinds.items())

    return _integral(product)


def _integral(function: Callable[[float], float]) -> float:
    """Return the integral of a falling function over s > 0, or inf; panels double in length."""

    def panel(begin: float) -> float:
        return (
            begin
            / 2
            * sum(
                float(weight) * function(begin * (1.5 + 0.5 * float(node)))
                for node, weight in zip(NODES, WEIGHTS, strict=True)
            )
        )

    total, begin, part = 0.0, 1.0, 0.0
    while begin > 1e-300 and (not total or part > NEGLIGIBLE * total):
        begin /= 2
        part = panel(begin)
        total += part
    begin = part = 1.0
    while part > NEGLIGIBLE * total:
        if begin > 1e300:
            return inf
        part = panel(begin)
        total += part
        begin *= 2
    return total


def _transform(delay: DelayModel, worker: int, s: float) -> float:
    """Return E[exp(-s/d)] for the duration d of a task."""
    kinks = [s / each for each in delay.breakpoints(worker) if each > 0]
    ends = np.unique([0.0, *POINTS, *(kink for kink in kinks if kink < POINTS[-1])])
    half = np.diff(ends)[:, None] / 2
    y = ends[:-1, None] + half * (1 + NODES)
    with np.errstate(over="ignore"):
        late = delay.survival(worker, s / y)
    assert late is not None
    return float((half * WEIGHTS * np.exp(-y) * late).sum())
