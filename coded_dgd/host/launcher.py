"""What the environment says about the launcher, before any MPI library is loaded."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI, and PRRTE
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, and PMI in general
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
)
_ON_HOST = (
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",  # MPICH, Intel MPI
    "PMI_LOCAL_SIZE",
    "SLURM_STEP_TASKS_PER_NODE",  # as 4(x2),3: the first is one of the largest
    "SLURM_NTASKS_PER_NODE",
)


class Launch(NamedTuple):
    """Rank and size that the launcher gave to this process."""

    rank: int
    size: int


def launch() -> Launch | None:
    """Return what the launcher says, or None if no launcher started this process."""
    for rank, size in _VARIABLES:
        if rank in os.environ and size in os.environ:
            return Launch(int(os.environ[rank]), int(os.environ[size]))
    return None


def is_started_by_rank() -> bool:
    """Return whether a rank has started this process by multiprocessing or joblib.

    It is no rank itself, although it has the variables of one.
    """
    started = sys.modules.get("multiprocessing.process")
    return launch() is not None and started is not None and started.parent_process() is not None


def ranks_on_host() -> int | None:
    """Return the number of ranks on this host; all ranks if the launcher does not say.

    The result is None if no launcher started this process.
    """
    launched = launch()
    if launched is None:
        return None
    for name in _ON_HOST:
        number = os.environ.get(name, "").partition("(")[0].partition(",")[0]
        if number.isdecimal() and int(number):
            return int(number)
    return launched.size
