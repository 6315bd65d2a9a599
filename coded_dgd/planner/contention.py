"""Ranks that share cores: whoever computes slows the others down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.observations import Floats, Integers

CONTENDED = 2.0
"""Time of a task relative to what it computes from which on cores are thought to be shared."""


def share_cores(measured: Measurements, length: int) -> tuple[Measurements, float | None]:
    """Let the workers of a host whose cores are shared end together, in proportion to their tasks.

    There a worker is early because another is late: of r tasks each, where r is more than was
    measured, none would be done before the cores have done nearly all. So all are taken to run
    side by side, each as long as the last one took. What waking up and a message of everybody
    take does not grow with tasks. It was measured with idle workers, and is taken off before.

    Parameters
    ----------
    measured : Measurements
        Of workers whose hosts are known.
    length : int
        Numbers in a message.

    Returns
    -------
    measured : Measurements
        With times without what waking up and a message take, and the latency among workers that
        share cores, if any do.
    held_up : float, optional
        How far they do not run side by side: 0 where the first of r tasks is done by all after 1/r
        of the time, 1 where that is at the end, as cores go from one to the next. None where no
        cores are shared.
    """
    times, network, ways = measured.times, measured.network, []
    alone = times.earlier(network.latency_of(length))
    finish = np.maximum(alone.finish, measured.compute * times.done)
    seen = np.where(np.isnan(times.finish), times.until[..., None], times.finish)
    for host in set(measured.hosts):
        here = np.array([each == host for each in measured.hosts])
        done = times.done[here].max(axis=0)
        last = seen[:, here].max(axis=1)[:, done > 0] - network.gathering_of(length)
        cores = max((c for c, it in zip(measured.cores, here, strict=False) if it), default=1)
        turns = max(np.count_nonzero(here) / cores, 1.0)
        task, held_up = _side_by_side(last, done[done > 0], measured.compute, turns)
        if task.mean() > CONTENDED * measured.compute:
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
    """Seconds of a task of everybody in each iteration, and how far workers are held up.

    Parameters
    ----------
    last : (iterations, J) array
        When the last worker has done its tasks, waking up and a message not counted.
    done : (J,) integers
        How many tasks these are.
    compute : float
        Seconds that a task computes.
    turns : float
        Workers of a core: as many tasks, one after the other, are the most that everybody waits.
    """
    typical = np.median(last, axis=0)
    best = int((typical / done).argmin())
    task = float(np.clip(typical[best] / done[best], compute, turns * compute))
    each = np.maximum(last[:, best] / done[best], compute)
    share, rest = done[0] / done[-1], max(float(typical[-1]) - task * done[-1], 0.0)
    first = (float(typical[0]) - rest) / (task * done[-1])  # without what is no task's
    held_up = (first - share) / (1 - share) if share < 1 else 0.0
    return task * each / each.mean(), float(np.clip(held_up, 0, 1))
