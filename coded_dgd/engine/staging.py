"""Stages are built: a scheme is fitted to the data, the data are distributed, a master is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from coded_dgd.config import RunConfig
from coded_dgd.engine import kernels
from coded_dgd.engine.arrival_log import ArrivalLog
from coded_dgd.engine.distribute import Distributed, distribute, sharing
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.master import Master
from coded_dgd.engine.protocol import Report
from coded_dgd.engine.setup import Setup
from coded_dgd.engine.stage import Stage
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import Infeasible
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems import trial
from coded_dgd.problems.layout import EXTRAS, Layout
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.optimizers import Optimizer
from coded_dgd.problems.problem import Problem, Quadratic
from coded_dgd.schemes import remedies
from coded_dgd.schemes.base import Scheme


def fit(scheme: Scheme, setup: Setup, problem: Problem) -> None:
    """Prepare a scheme for the data of a problem.

    Raises
    ------
    Infeasible
        The scheme does not suit the weights of rows or the optimizer.
    """
    source = problem.source
    if scheme.coded and source.weights is not None:
        raise Infeasible(
            f"{scheme.name} combines rows of the data, which goes with sample weights for "
            f"--objective least-squares alone: use {remedies.COPIES}, or leave the weights out"
        )
    setup.check_optimizer(scheme)
    scheme.fit(source.rows, problem.block_norms)
    if scheme.scales_tasks and (fault := trial.weights_fault(problem)):
        raise Infeasible(
            f"{scheme.name} has workers multiply gradients by factors, and {fault}: use "
            f"{remedies.UNSCALED}, or multiply the gradient of each row by its weight"
        )


class Staging:
    """Builds the stages of a training.

    Parameters
    ----------
    setup : Setup
    transport : Transport
    problem : Problem
    optimizer : Optimizer
        Takes the steps in all stages.
    folder : Path, optional
        Where to write arrival times during the run.
    on_loss : callable
        Called with the report of each worker that is lost while an iteration runs.
    """

    def __init__(
        self,
        setup: Setup,
        transport: Transport,
        problem: Problem,
        optimizer: Optimizer,
        folder: Path | None,
        on_loss: Callable[[Report], None],
    ) -> None:
        self._setup, self._transport = setup, transport
        self._problem, self._source = problem, problem.source
        self._optimizer, self._folder, self._on_loss = optimizer, folder, on_loss

    def group(
        self,
        config: RunConfig,
        scheme: Scheme,
        members: Sequence[int],
        delay_streams: Sequence[int],
        replaces: int | None,
        kept: Master | None,
    ) -> WorkerGroup:
        """Return the worker group of a stage; see `WorkerGroup`.

        Parameters
        ----------
        kept : Master, optional
            Master of an earlier stage whose workers keep their shards.
        """
        scheme.place([self._transport.host_of(peer) for peer in members])
        # with coded blocks the master computes the loss from the gradient
        extras = EXTRAS if self._optimizer.needs_loss and not scheme.coded else ()
        layout = Layout(self._problem.parameters, scheme.pieces, config.dtype, extras)
        code_id = kept.group.code_id if kept else self._transport.new_code()
        group = WorkerGroup(
            self._transport, scheme, code_id, list(members), list(delay_streams), layout, replaces
        )
        if kept:
            group.kernel = kept.group.kernel
        else:
            objective = self._setup.objective
            group.kernel = kernels.choose(config, objective, self._source, scheme)
            group.loads = objective.overhead_seconds > 0
            group.host_groups = sharing(group, config, self._source)
        return group

    def stage(
        self, config: RunConfig, group: WorkerGroup, number: int, first: int, kept: Master | None
    ) -> Stage:
        """Distribute the data to a worker group, unless it keeps its shards; return its stage.

        Parameters
        ----------
        number : int
            Number of the stage: 1, 2, ...
        first : int
            Number of its first iteration.
        """
        data = kept.data if kept else distribute(self._source, group, config)
        scheme, folder = group.scheme, self._folder
        path = None if folder is None else folder / f"arrivals-{number}.f8"
        master = Master(
            group,
            GuardedDecoder(scheme, config.guard, data.block_norms),
            self._optimizer,
            data,
            ArrivalLog(scheme.expected.shape, path, first),
            quadratic=self._quadratic(data),
            ridge=self._problem.ridge,
            exact_gradient=self._problem.gradient if config.check_gradient else None,
            on_loss=self._on_loss,
        )
        return Stage(number, first, master)

    def _quadratic(self, data: Distributed) -> Quadratic | None:
        """Return the objective at beta = 0 if that and a gradient give the loss, else None.

        They do if the objective is of degree 2, and the gradient is not that of a batch.
        """
        if self._problem.batches:
            return None
        objective = self._setup.objective
        if is_least_squares(objective) and self._source.weights is None:  # of the distribution
            return data.least_squares
        return self._problem.quadratic if objective.degree == 2 else None
