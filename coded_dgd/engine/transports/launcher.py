"""What the environment says about the launcher, before any MPI is loaded."""

from __future__ import annotations

import os
from typing import NamedTuple

_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI, and PRRTE
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, and PMI in general
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
)


class Launch(NamedTuple):
    """Rank and size that the launcher gave to this process."""

    rank: int
    size: int


def launch() -> Launch | None:
    """Return what the launcher says, or None where no launcher started this process."""
    for rank, size in _VARIABLES:
        if rank in os.environ and size in os.environ:
            return Launch(int(os.environ[rank]), int(os.environ[size]))
    return None
