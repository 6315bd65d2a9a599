"""Ranks that share cores: whoever computes slows the others down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coded_dgd.planner.observations import TaskTimes

CONTENDED = 2.0
"""Time of a task relative to what it computes from which on cores are thought to be shared."""


def share_cores(times: TaskTimes, compute: float, hosts: Sequence[str]) -> TaskTimes:
    """Let the workers of a host whose cores are shared end together, in proportion to their tasks.

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
    finish = times.finish.copy()
    seconds = times.shared().seconds
    for host in set(hosts):
        here = np.array([each == host for each in hosts])
        if np.median(seconds[:, here]) > CONTENDED * compute:
            together = seconds[:, here].max(axis=1)[:, None, None] * times.done[here]
            finish[:, here] = np.where(np.isnan(finish[:, here]), np.nan, together)
    return replace(times, finish=finish)
