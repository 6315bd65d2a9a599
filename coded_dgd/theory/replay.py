"""This module replays consecutive iterations of a delay model, and compares schemes on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.scheduling.virtual import VirtualWorkers
from coded_dgd.schemes.base import Floats, Scheme
from coded_dgd.schemes.dynamic import DynamicScheme

RESAMPLES = 2000
"""Number of bootstrap samples from which a standard error is found."""


class Ratio(NamedTuple):
    """A ratio of two mean times, with its standard error."""

    value: float
    standard_error: float


class Replays(NamedTuple):
    """This tuple holds what consecutive iterations of a scheme come to."""

    times: Floats
    """Completion time of each iteration in seconds; inf if the gradient never becomes decodable."""
    messages: Floats
    """Number of messages of each iteration that have arrived by then."""


def replay(scheme: Scheme, delay: DelayModel, iterations: int) -> Replays:
    """Replay consecutive iterations in which messages take no time.

    Parameters
    ----------
    scheme : Scheme
        Scheme, fitted to the data if it depends on them.
    delay : DelayModel
        Delay model, whose iterations 0, 1, ... are replayed.

    Raises
    ------
    UsageError
        If the delay model does not cover the scheme's workers and tasks.
    """
    work = scheme.work_under(delay)
    delay.check(scheme.workers, work)
    finish = delay.trace(iterations, scheme.workers, work)
    if isinstance(scheme, DynamicScheme):
        virtual = VirtualWorkers(scheme)
        each = [virtual.run(one) for one in finish]
        return Replays(
            np.array([one.completion_time for one in each]),
            np.array([float(len(one.order)) for one in each]),
        )
    arrivals = scheme.message_times(finish)
    times = scheme.completion_time(arrivals)
    arrived = np.isfinite(arrivals) & (arrivals <= times[:, None, None])
    return Replays(times, arrived.sum(axis=(1, 2)).astype(np.float64))


def completion_times(scheme: Scheme, delay: DelayModel, iterations: int) -> Floats:
    """Return the completion times of `replay` in seconds, of shape (iterations,)."""
    return replay(scheme, delay, iterations).times


def ratio_of_means(times: Floats, baseline: Floats, block: int, seed: int = 0) -> Ratio:
    """Return mean(times) / mean(baseline) with its standard error by the circular block bootstrap.

    Both are of the same iterations. Blocks of consecutive iterations are drawn with replacement, so
    that correlation over fewer iterations than a block is accounted for.

    Parameters
    ----------
    times, baseline : (iterations,) arrays
        Times of two schemes in seconds.
    block : int
        Length of a block in iterations.
    """
    count = len(times)
    block = min(block, count)
    rng = np.random.default_rng(seed)
    starts = rng.integers(count, size=(RESAMPLES, -(-count // block)))
    sums = []
    for each in (times, baseline):
        running = np.concatenate([[0.0], np.cumsum(np.concatenate([each, each[:block]]))])
        sums.append((running[starts + block] - running[starts]).sum(axis=1))
    ratios = sums[0] / sums[1]
    return Ratio(float(times.mean() / baseline.mean()), float(ratios.std()))
