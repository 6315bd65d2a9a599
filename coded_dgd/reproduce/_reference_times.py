"""This module finds the times with which the times of schemes are compared on a trace."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.reproduce._replayed_schemes import FINE, REFERENCE, Row
from coded_dgd.reproduce._straggler_traces import StragglerTrace
from coded_dgd.scheduling.pace import LearntPace
from coded_dgd.theory.perfect_split import split_times

SHARES, PERFECT, WITHOUT = "shares by speed", "perfect split", "without stragglers"
REFERENCES = (SHARES, PERFECT, WITHOUT)
SHORTEST = 1e-9
"""Smallest time in seconds that a pace is learnt from."""


def reference(name: str, trace: StragglerTrace) -> Row | None:
    """Return the reference called `name`, or None if the trace is too short for it."""
    found = {SHARES: by_speed, PERFECT: split_perfectly, WITHOUT: without_stragglers}[name](trace)
    return Row(name, REFERENCE, found) if np.isfinite(found).all() else None


def by_speed(trace: StragglerTrace) -> Floats:
    """Return the times if shares follow the speed in earlier iterations, and all are waited for.

    Each worker computes a part of the data in proportion to its speed, as `LearntPace` knows it
    from the iterations so far, and there are no copies. In the first iteration parts are equal.
    """
    delay, workers = trace.delay, trace.workers
    pace, shares = LearntPace(), np.ones(workers)
    times = np.empty(trace.iterations)
    for iteration in range(trace.iterations):
        work = np.minimum(shares, trace.most_shares) * delay.share
        seconds = np.array(
            [delay.finish_times(iteration, w, work[w : w + 1])[0] for w in range(workers)]
        )
        times[iteration] = seconds.max() if (shares <= trace.most_shares).all() else np.inf
        pace.observe(np.maximum(seconds / shares, SHORTEST).tolist(), ())
        speed = 1 / np.array(pace.lasting)
        shares = workers * speed / speed.sum()
    return times


def split_perfectly(trace: StragglerTrace) -> Floats:
    """Return the times of work that is split perfectly by the speed in the same iteration.

    A time is inf if a worker would do more than the trace has times for.
    """
    shares = min(float(trace.workers), trace.most_shares)
    finish = trace.finish(np.arange(1.0, int(shares * FINE) + 1) / FINE)
    times = np.concatenate([split_times(each[None], trace.workers * FINE) for each in finish])
    out_of_work = (finish[..., -1] < times[:, None]).any(axis=1) & (shares < trace.workers)
    return np.where(out_of_work, np.inf, times)


def without_stragglers(trace: StragglerTrace) -> Floats:
    """Return the times of the median worker with 1/M of the data, the what-if baseline."""
    times: Floats = np.median(trace.finish(np.ones(1))[..., 0], axis=1)
    return times
