"""What is decided before any data are read: scheme, delays, and whether they go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coded_dgd import delays, schemes
from coded_dgd.config import DEFAULT_WORKERS, RunConfig
from coded_dgd.delays.base import DelayModel
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.problems.objectives import OBJECTIVES
from coded_dgd.problems.optimizers import OPTIMIZERS
from coded_dgd.schemes.base import Scheme
from coded_dgd.spec import nearest


@dataclass(frozen=True)
class Setup:
    """A configuration and what it stands for."""

    config: RunConfig
    scheme: Scheme
    delay: DelayModel


def prepare(config: RunConfig, workers: int | None) -> Setup:
    """Check everything that can be checked without data.

    Parameters
    ----------
    workers : int, optional
        Number of workers that MPI started; None where there is no MPI.

    Raises
    ------
    UsageError
        With the mend.
    """
    if workers is None:
        workers = config.workers or DEFAULT_WORKERS
    elif workers < 1:
        raise UsageError(
            "there is only one rank, which is the master: start with mpiexec -n 41 for 40 "
            "workers, or use --transport simulated"
        )
    elif config.workers not in (None, workers):
        raise UsageError(
            f"--workers {config.workers} needs {config.workers + 1} ranks, and mpiexec started "
            f"{workers + 1}: leave --workers out, or use mpiexec -n {config.workers + 1}"
        )
    for name, known, option in (
        (config.objective, OBJECTIVES, "objective"),
        (config.optimizer, OPTIMIZERS, "optimizer"),
    ):
        if name not in known:
            raise UsageError(
                f"unknown --{option} {name!r}{nearest(name, known)}; there are: {', '.join(known)}"
            )
    scheme = schemes.create(
        config.scheme, workers, config.blocks, config.load, **config.scheme_options
    )
    if scheme.coded and OBJECTIVES[config.objective]().degree != 2:
        raise Infeasible(
            f"{scheme.name} decodes gradients of degree 2 in the data, which that of "
            f"{config.objective} is not: use uc-mmc or another replication-based scheme"
        )
    delay = delays.create(config.delay, config.seed)
    delay.check(workers, scheme.load)
    if delay.may_stall:
        _refuse_stall(config, scheme, delay)
    return Setup(config, scheme, delay)


def _refuse_stall(config: RunConfig, scheme: Scheme, delay: DelayModel) -> None:
    """Refuse delays under which some iteration never becomes decodable."""
    decoder = GuardedDecoder(scheme, config.guard)
    for iteration, finish in enumerate(delay.trace(config.iterations, scheme.workers, scheme.load)):
        if np.isinf(replay(decoder, finish).completion_time):
            raise Infeasible(
                f"{config.delay}: too few tasks ever finish in iteration {iteration} for "
                f"{scheme.name} to decode: use a scheme or --load with more redundancy"
            )
