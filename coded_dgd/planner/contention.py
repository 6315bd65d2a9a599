"""This module treats ranks that share cores and so slow each other down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.observations import Floats, Integers

CONTENDED = 2.0
"""Ratio of task time to computing time from which on cores count as shared."""


def share_cores(measured: Measurements, length: int) -> tuple[Measurements, float | None]:
    """Correct task times on hosts whose cores are shared: their workers end together.

    On such a host a worker is early because another one is late. With more tasks than were
    measured, no worker ends before the cores have done nearly all tasks. So all workers are assumed
    to run side by side, each for as long as the last one took. The time for waking up and for a
    message of every worker does not grow with the number of tasks. It was measured with idle
    workers, and is subtracted first.

    Parameters
    ----------
    measured : Measurements
        Measurements of workers whose hosts are known.
    length : int
        Numbers in a message.

    Returns
    -------
    measured : Measurements
        Times without waking up and messages, and the latency among workers that share cores.
    held_up : float, optional
        How far workers are from running side by side: 0 if all have done the first of r tasks
        after 1/r of the time, 1 if only at the end, because cores serve one after the other. None
        if no cores are shared.
    """
    times, network, ways = measured.times, measured.network, []
    compute = measured.compute * times.size
    alone = times.earlier(network.latency_of(length))
    finish = np.maximum(alone.finish, compute * times.done)
    seen = np.where(np.isnan(times.finish), times.until[..., None], times.finish)
    for host in set(measured.hosts):
        here = np.array([each == host for each in measured.hosts])
        done = times.done[here].max(axis=0)
        last = seen[:, here].max(axis=1)[:, done > 0] - network.gathering_of(length)
        cores = max((c for c, it in zip(measured.cores, here, strict=False) if it), default=1)
        turns = max(np.count_nonzero(here) / cores, 1.0)
        task, held_up = _side_by_side(last, done[done > 0], compute, turns)
        if task.mean() > CONTENDED * compute:
            together = task[:, None, None] * times.done[here]
            finish[:, here] = np.where(np.isnan(finish[:, here]), np.nan, together)
            ways.append(held_up)
    if ways:
        network = network.crowded(len(measured.hosts))
    own = replace(measured, times=replace(alone, finish=finish), network=network)
    return own, float(np.mean(ways)) if ways else None


def _side_by_side(
    last: Floats, done: Integers, compute: float, turns: float
) -> tuple[Floats, float]:
    """Return the seconds of a task in each iteration, and how far workers are held up.

    Parameters
    ----------
    last : (iterations, J) array
        Seconds until the last worker has done its tasks, without waking up and message.
    done : (J,) integers
        Number of these tasks.
    compute : float
        Computing time of a task in seconds.
    turns : float
        Workers per core. A worker waits for at most this number of tasks, one after the other.
    """
    typical = np.median(last, axis=0)
    best = int((typical / done).argmin())
    task = float(np.clip(typical[best] / done[best], compute, turns * compute))
    each = np.maximum(last[:, best] / done[best], compute)
    share, rest = done[0] / done[-1], max(float(typical[-1]) - task * done[-1], 0.0)
    first = (float(typical[0]) - rest) / (task * done[-1])  # without waking up and messages
    held_up = (first - share) / (1 - share) if share < 1 else 0.0
    return task * each / each.mean(), float(np.clip(held_up, 0, 1))
