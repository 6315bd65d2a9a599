"""Ranks that share cores: whoever computes slows the others down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coded_dgd.planner.observations import TaskTimes

CONTENDED = 2.0
"""Time of a task relative to what it computes from which on cores are thought to be shared."""


def share_cores(
    times: TaskTimes, compute: float, hosts: Sequence[str]
) -> tuple[TaskTimes, float | None]:
    """Let the workers of a host whose cores are shared end together, in proportion to their tasks.

    Also say how far that is not so, see `held_up`; None where no cores are shared.

    There a worker is early because another is late: of r tasks each, where r is more than was
    measured, none would be done before the cores have done nearly all. So all are taken to run
    side by side, each as long as the last one took.

    Parameters
    ----------
    compute : float
        Seconds that a task computes.
    hosts : sequence of str
        Of each worker.
    """
    finish, shared = times.finish.copy(), False
    seconds = times.shared().seconds
    for host in set(hosts):
        here = np.array([each == host for each in hosts])
        if np.median(seconds[:, here]) > CONTENDED * compute:
            shared = True
            together = seconds[:, here].max(axis=1)[:, None, None] * times.done[here]
            finish[:, here] = np.where(np.isnan(finish[:, here]), np.nan, together)
    return replace(times, finish=finish), held_up(times) if shared else None


def held_up(times: TaskTimes) -> float:
    """How far workers with more to do hold up the first messages: 0 not at all, 1 to the end.

    Where they run side by side the first of r tasks is done by all after 1/r of the time. Where
    cores go from one to the next, or rank 0 waits for one, it is seen later.
    """
    first, last = times.finish[..., 0].max(axis=1), times.finish.max(axis=(1, 2))
    share = float(times.done[:, 0].mean() / times.done.max())
    known = np.isfinite(last) & np.isfinite(first)
    if share >= 1 or not known.any():
        return 0.0
    seen = float(np.median(first[known] / last[known]))
    return float(np.clip((seen - share) / (1 - share), 0, 1))
