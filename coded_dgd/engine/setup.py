"""Check and prepare what needs no data: the scheme, the delays, and whether they fit together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coded_dgd import delays, schemes
from coded_dgd.admission import admit
from coded_dgd.config import DEFAULT_WORKERS, RunConfig
from coded_dgd.delays.base import DelayModel, Floats
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems import batches, objectives, optimizers, step_sizes
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.optimizers import Choice
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source, open_source
from coded_dgd.problems.step_sizes import Schedule, StepSizeRule
from coded_dgd.scheduling.replaying import Replayer
from coded_dgd.schemes.base import Scheme


@dataclass(frozen=True)
class Setup:
    """A configuration with the scheme, delays, objective and optimizer that it stands for."""

    config: RunConfig
    scheme: Scheme
    delay: DelayModel
    objective: Objective
    optimizer: Choice
    step_size: StepSizeRule

    def problem(self, source: Source | None = None) -> Problem:
        """Return the problem on these data; by default on the data that the configuration names.

        Raises
        ------
        UsageError
            The data cannot be read or do not suit the objective, or the objective is faulty.
        """
        config = self.config
        data = source or open_source(config.data, config.seed, config.reading)
        prepared = admit(config, self.objective, data)
        drawn = batches.create(config.batch, data.rows, config.seed)
        return Problem(prepared, self.objective, config.ridge, drawn)

    def schedule(self, problem: Problem) -> Schedule:
        """Return the step sizes of the optimizer for a problem.

        Raises
        ------
        UsageError
            The problem lacks something that the step sizes need.
        """
        return self.optimizer.schedule(self.config.step_size, self.step_size, problem)

    def check_optimizer(self, scheme: Scheme) -> None:
        """Refuse gradients of a scheme if they do not suit the optimizer.

        Raises
        ------
        Infeasible
            The optimizer needs exact gradients, or another objective.
        """
        quadratic = self.objective.degree == 2
        who = "mini-batches" if is_exact(scheme) else scheme.name
        self.optimizer.check(who, exact=_is_exact(scheme, self.config), quadratic=quadratic)


def prepare(config: RunConfig, workers: int | None, objective: Objective | None = None) -> Setup:
    """Check everything that can be checked without data.

    Parameters
    ----------
    workers : int, optional
        Number of workers that MPI started; None without MPI.
    objective : Objective, optional
        By default the one that the configuration names.

    Raises
    ------
    UsageError
        The configuration does not work. The message says how to fix it.
    """
    workers = check_workers(config, workers)
    objective = objective or objectives.create(config.objective)
    scheme = scheme_of(config, workers)
    scheme.check_objective(objective, config.objective, batches=config.has_batches)
    optimizer = optimizers.suiting(
        config.optimizer,
        quadratic=objective.degree == 2,
        exact=_is_exact(scheme, config),
    )
    optimizer.check_step_size(config.step_size)
    setup = Setup(
        replace(config, optimizer=optimizer.text),
        scheme,
        delays.create(config.delay, config.seed),
        objective,
        optimizer,
        step_sizes.parse(config.step_size),
    )
    setup.check_optimizer(scheme)
    if not scheme.data_dependent:
        check_delay(setup)
    return setup


def scheme_of(config: RunConfig, workers: int) -> Scheme:
    """Return the scheme of a configuration on this number of workers.

    Raises
    ------
    UsageError
        No such scheme exists. The message says how to fix it.
    """
    return schemes.create(
        config.scheme,
        workers,
        config.blocks,
        config.load,
        seed=config.seed,
        **config.scheme_options,
    )


def _is_exact(scheme: Scheme, config: RunConfig) -> bool:
    """Return whether a scheme decodes the exact gradient of all rows."""
    return is_exact(scheme) and not config.has_batches


def is_exact(scheme: Scheme) -> bool:
    """Return whether a scheme decodes the exact gradient at the point of the same iteration."""
    return scheme.exact and not scheme.oldest


def check_workers(config: RunConfig, workers: int | None) -> int:
    """Return the number of workers of the scheme: those started, without spares.

    Parameters
    ----------
    workers : int, optional
        Number of workers that MPI started; None without MPI.

    Raises
    ------
    UsageError
        The number does not fit the configuration. The message says how to fix it.
    """
    if workers is None:
        workers = config.workers or DEFAULT_WORKERS
        if config.spare:
            raise UsageError("--spare needs --transport mpi: no worker is lost in virtual time")
    elif workers < 1:
        raise UsageError(
            "there is only one rank, which is the master: start with mpiexec -n 41 for 40 "
            "workers, use --transport simulated, or in Python call train within "
            "`with coded_dgd.workers(8):`"
        )
    elif config.workers not in (None, workers):
        raise UsageError(
            f"--workers {config.workers} needs {config.workers + 1} ranks, and mpiexec started "
            f"{workers + 1}: leave --workers out, or use mpiexec -n {config.workers + 1}"
        )
    elif config.spare >= workers:
        raise UsageError(f"--spare {config.spare} leaves no worker of {workers}: use fewer")
    else:
        workers -= config.spare
    return workers


def check_delay(setup: Setup) -> None:
    """Refuse delays that do not cover all workers and tasks, or under which the scheme stalls.

    Raises
    ------
    UsageError
        The delays do not fit the scheme. The message says how to fix it.
    """
    scheme, delay = setup.scheme, setup.delay
    work = scheme.work_under(delay)
    delay.check(scheme.workers, work)
    if delay.may_stall:
        _refuse_stall(setup.config, scheme, delay, work)


def _refuse_stall(config: RunConfig, scheme: Scheme, delay: DelayModel, work: Floats) -> None:
    """Refuse delays under which some iteration never becomes decodable."""
    replayer = Replayer(GuardedDecoder(scheme, config.guard))
    for iteration, finish in enumerate(delay.trace(config.iterations, scheme.workers, work)):
        if np.isinf(replayer.run(finish).completion_time):
            raise Infeasible(
                f"{config.delay}: too few tasks ever finish in iteration {iteration} for "
                f"{scheme.name} to decode: use a scheme, --load or --wait that can do with fewer"
            )
