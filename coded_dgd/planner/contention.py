"""Ranks that share cores: whoever computes slows the others down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coded_dgd.planner.measurements import Network
from coded_dgd.planner.observations import Floats, Integers, TaskTimes

CONTENDED = 2.0
"""Time of a task relative to what it computes from which on cores are thought to be shared."""


def share_cores(
    times: TaskTimes, compute: float, hosts: Sequence[str], network: Network, length: int
) -> tuple[TaskTimes, Network, float | None]:
    """Let the workers of a host whose cores are shared end together, in proportion to their tasks.

    There a worker is early because another is late: of r tasks each, where r is more than was
    measured, none would be done before the cores have done nearly all. So all are taken to run
    side by side, each as long as the last one took. What waking up and a message of everybody
    take does not grow with tasks. It was measured with idle workers, and is taken off before.

    Parameters
    ----------
    times : TaskTimes
        As they were seen.
    compute : float
        Seconds that a task computes: the least that it takes.
    hosts : sequence of str
        Of each worker.
    network : Network
    length : int
        Numbers in a message.

    Returns
    -------
    times : TaskTimes
        Without what waking up and a message take.
    network : Network
        With the latency among workers that share cores, if any do.
    held_up : float, optional
        How far they do not run side by side: 0 where the first of r tasks is done by all after 1/r
        of the time, 1 where that is at the end, as cores go from one to the next. None where no
        cores are shared.
    """
    alone = times.earlier(network.latency_of(length))
    finish, ways = np.maximum(alone.finish, compute * times.done), []
    seen = np.where(np.isnan(times.finish), times.until[..., None], times.finish)
    for host in set(hosts):
        here = np.array([each == host for each in hosts])
        done = times.done[here].max(axis=0)
        last = seen[:, here].max(axis=1)[:, done > 0] - network.gathering_of(length)
        task, held_up = _side_by_side(last, done[done > 0], compute)
        if np.median(task) > CONTENDED * compute:
            together = task[:, None, None] * times.done[here]
            finish[:, here] = np.where(np.isnan(finish[:, here]), np.nan, together)
            ways.append(held_up)
    if not ways:
        return replace(alone, finish=finish), network, None
    return replace(alone, finish=finish), network.crowded(len(hosts)), float(np.mean(ways))


def _side_by_side(last: Floats, done: Integers, compute: float) -> tuple[Floats, float]:
    """Seconds of a task of everybody in each iteration, and how far workers are held up.

    Parameters
    ----------
    last : (iterations, J) array
        When the last worker has done its tasks, waking up and a message not counted.
    done : (J,) integers
        How many tasks these are.
    """
    typical = np.median(last, axis=0) / done
    # the messages before do not count in the first one, and those of others in the last one
    best = int(typical.argmin())
    task = max(float(typical[best]), compute)
    each = np.maximum(last[:, best] / done[best], compute)
    first, all_ = max(float(typical[0]) * done[0], compute), task * done[-1]
    share = done[0] / done[-1]
    held_up = (first / all_ - share) / (1 - share) if share < 1 else 0.0
    return task * each / each.mean(), float(np.clip(held_up, 0, 1))
