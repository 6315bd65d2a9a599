"""This module predicts how long workers load the libraries that an objective needs."""

from __future__ import annotations

import os

from coded_dgd.host.launcher import ranks_on_host
from coded_dgd.host.process import cores
from coded_dgd.problems.objectives import Objective


def loading(objective: Objective) -> float:
    """Return the seconds that the workers of this host need to load what the objective needs.

    They load at the same time and share the cores of the host, which are taken to be idle. Other
    hosts are taken to have as many ranks and cores.
    """
    workers = (ranks_on_host() or 1) - 1
    return objective.overhead_seconds * max(1.0, workers / cores(os.getppid()))
