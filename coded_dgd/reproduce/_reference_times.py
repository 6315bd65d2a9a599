"""This module finds the times with which the times of schemes are compared on a trace."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.reproduce._replayed_schemes import FINE, REFERENCE, Row
from coded_dgd.reproduce._straggler_traces import StragglerTrace
from coded_dgd.scheduling.pace import LearntPace
from coded_dgd.traces.baselines import split_perfectly, without_stragglers

SHARES, PERFECT, WITHOUT = "shares by speed", "perfect split", "without stragglers"
REFERENCES = (SHARES, PERFECT, WITHOUT)
SHORTEST = 1e-9
"""Smallest time in seconds that a pace is learnt from."""


def reference(name: str, trace: StragglerTrace) -> Row | None:
    """Return the reference called `name`, or None if the trace is too short for it."""
    found = {SHARES: by_speed, PERFECT: perfectly_split, WITHOUT: of_the_median}[name](trace)
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


def perfectly_split(trace: StragglerTrace) -> Floats:
    """Return the times of work that is split perfectly by the speed in the same iteration."""
    most = min(float(trace.workers), trace.most_shares)
    shares = np.arange(1.0, int(most * FINE) + 1) / FINE
    return np.concatenate([split_perfectly(each[None], shares) for each in trace.finish(shares)])


def of_the_median(trace: StragglerTrace) -> Floats:
    """Return the times of the median worker with 1/M of the data, the what-if baseline."""
    return without_stragglers(trace.finish(np.ones(1))[..., 0])
