"""Train one model with one scheme, iteration by iteration, even when workers are lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from math import inf
from pathlib import Path
from time import time
from typing import Any

from coded_dgd.config import RunConfig
from coded_dgd.engine.changes import Adaptation
from coded_dgd.engine.checkpoint import Checkpoint
from coded_dgd.engine.convergence import Convergence
from coded_dgd.engine.ideal import Ideal
from coded_dgd.engine.iteration import Absence, Iteration
from coded_dgd.engine.losses import OR_OPTIONS, TooFewWorkers
from coded_dgd.engine.master import Master
from coded_dgd.engine.observer import Observer, Start
from coded_dgd.engine.outlook import look_ahead
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.engine.refusals import Refusals
from coded_dgd.engine.setup import Setup, check_delay, scheme_of
from coded_dgd.engine.staffing import Staffing
from coded_dgd.engine.stage import Stage, ended_stages
from coded_dgd.engine.staging import Staging, fit
from coded_dgd.engine.trail import Trail
from coded_dgd.engine.transports.base import Transport
from coded_dgd.engine.validating import BEST, Validation
from coded_dgd.errors import Infeasible
from coded_dgd.host.process import process_age
from coded_dgd.problems.held_out import HeldOut
from coded_dgd.problems.problem import Problem
from coded_dgd.schemes.base import Scheme

SPAWN_SECONDS = 30.0
"""Seconds to wait for a new worker if nothing can be decoded without it."""


class Trainer:
    """Trains with the scheme of `setup` on some of the peers of a transport.

    Parameters
    ----------
    setup : Setup
    transport : Transport
        Its first peers become the workers; the others are spares.
    problem : Problem
    folder : Path, optional
        Where to write arrival times during the run.
    observer : Observer, optional
        Is informed of warnings, and before the first distribution of the data.
    mend : str
        Remedy of the command against the loss of too many workers.
    held_out : HeldOut, optional
        Rows on which to judge the model between iterations.
    """

    def __init__(
        self,
        setup: Setup,
        transport: Transport,
        problem: Problem,
        folder: Path | None = None,
        observer: Observer | None = None,
        mend: str = OR_OPTIONS,
        held_out: HeldOut | None = None,
    ) -> None:
        self.setup, self.transport = setup, transport
        self.observer = observer or Observer()
        self._mend = mend
        self.adaptations: list[Adaptation] = []
        """Changes of the scheme so far."""
        transport.silence = setup.config.silence or inf
        self.config = config = setup.config
        self.folder = folder
        self.problem, self.source = problem, problem.source
        fit(setup.scheme, setup, problem)
        if setup.scheme.data_dependent:
            check_delay(setup)
        self._schedule = setup.schedule(self.problem)
        self.optimizer = setup.optimizer(problem.start(config.seed), self._schedule)
        self.staffing = Staffing(transport, self.source, self.observer, setup.scheme.workers)
        self.refusals = Refusals(self.observer)
        self._staging = Staging(
            setup, transport, problem, self.optimizer, folder, self.staffing.note
        )
        self.trail = Trail(self.optimizer.beta)
        self.validation = Validation(setup.objective, held_out) if held_out else None
        self.log: list[Iteration] = []
        self._convergence = Convergence(
            self.log, problem, self.optimizer, config.stop_at, setup.scheme.exact, config.seed
        )
        self.stages: list[Stage] = []
        self._resumed: Checkpoint | None = None
        self._ideal = Ideal(setup.delay)
        self._clock = 0.0
        """Instant at which the latest iteration ended; an interrupted one restarts there."""
        self._stages_before = 0
        """Number of completed stages before the checkpoint."""

    @property
    def iteration(self) -> int:
        """Number of the next iteration."""
        return len(self.log)

    @property
    def converged(self) -> bool:
        """Whether the gradient is as small as the configuration's ``stop_at`` demands.

        The gradient has to be one that workers have computed (`Optimizer.confirmed`).
        """
        return self.optimizer.confirmed and self._convergence.is_small

    @property
    def stage(self) -> Stage:
        """The latest stage."""
        return self.stages[-1]

    def start(self) -> Start:
        """Distribute the data."""
        scheme, members = self.setup.scheme, list(range(self.setup.scheme.workers))
        changes, resumed = self.adaptations, self._resumed
        if changes and resumed and resumed.values["started"] == scheme.workers:
            scheme, members = self._adapted(changes[-1])
        self._enlist(scheme, members, members, None)
        if self._has_ideal:
            for iteration in range(self.iteration):
                self._note_ideal(iteration)
            self.transport.meanwhile.append(self._ideal.work)
        self._clock = self.transport.clock()
        master = self.stage.master
        forecast, cautions = look_ahead(master.decoder, self.setup.delay, self.config, self.source)
        step = self._schedule(1) if self.optimizer.uses_step_size else None
        return Start(
            self.problem, step, forecast, process_age(), time(), cautions, master.group.kernel
        )

    def _adapted(self, last: Adaptation) -> tuple[Scheme, list[int]]:
        """Return scheme and members after the change that a checkpoint records."""
        members = [rank - 1 for rank in last.after.ranks]
        if max(members) >= self.transport.workers:  # one was a spare, and now there are fewer
            members = list(range(len(members)))
        self.config = replace(self.config, **last.after.options)
        scheme = scheme_of(self.config, len(members))
        fit(scheme, self.setup, self.problem)
        self.staffing.assign(members)
        return scheme, members

    def _enlist(
        self,
        scheme: Scheme,
        members: list[int],
        delay_streams: list[int],
        replaces: int | None,
        kept: Master | None = None,
    ) -> None:
        """Begin a stage and distribute the data to these peers.

        Parameters
        ----------
        kept : Master, optional
            Master of an earlier stage whose workers keep their shards.
        """
        if self.stages:
            self.measure_change()
            self.stage.master.arrivals.close()
        config, begin = self.config, self.transport.clock()
        group = self._staging.group(config, scheme, members, delay_streams, replaces, kept)
        if not self.stages:
            self.observer.distributing(group)
        number = len(self.stages) + self._stages_before + 1
        first = self.iteration if number > 1 else 0
        stage = self._staging.stage(config, group, number, first, kept)
        if self.stages:
            stage.master.first_exact_norm = self.stage.master.first_exact_norm
        elif self._resumed:
            self._continue(stage, self._resumed.values)
        stage.handing_out = 0.0 if kept else self.transport.clock() - begin
        self.stages.append(stage)
        self.refusals.watch(group)
        if self._has_ideal:
            self._ideal.begin(stage.master.decoder, group.delay_streams, group.combines)
        if self.folder is not None:
            stage.describe(self.folder)

    def _continue(self, stage: Stage, values: Mapping[str, Any]) -> None:
        """Continue the first stage of this process from the values of a checkpoint."""
        master, workers = stage.master, stage.scheme.workers
        master.first_exact_norm = values["first_norm"]
        if workers == values["workers"]:
            master.decoder.learnt.restore(values["scheme"])
            master.restore_speeds(values.get("speeds"))
        if not stage.first:
            master.absences = [Absence(*absence) for absence in values["absences"]]
            master.back(range(workers), self.iteration)

    def step(self) -> Iteration:
        """Run one iteration, and repeat it if it needs new workers or a new code.

        Raises
        ------
        CodedDGDError
            See `Master.iterate`; also raised on divergence.
        """
        self.refill()
        while True:
            begin = self.transport.clock()
            try:
                record = self.stage.master.iterate(self.iteration)
                break
            except TooFewWorkers as error:
                self.refusals.note()
                if self.stage.master.refusals:
                    self._convergence.refuse_overflow()
                self.staffing.note(*error.reports)
                if not self.refill(SPAWN_SECONDS):
                    self._replan(error.amplification)
        self.refusals.note()
        self.log.append(record)
        if self._has_ideal:
            self._note_ideal(record.iteration)
        self.trail.note(self.optimizer.beta)
        self._clock = self.transport.clock()
        self.stage.spans.append(self._clock - begin)
        self._convergence.refuse_divergence()
        if self._convergence.is_small:
            self.optimizer.confirm()
        if self.validation:
            self.validation.note(record, self.optimizer.beta)
        return record

    def change(self, config: RunConfig, workers: Sequence[int], same_shards: bool) -> None:
        """Begin a stage with another scheme on some of the workers; the optimizer continues.

        Parameters
        ----------
        workers : sequence of int
            Workers of the present scheme to keep; the others become spares.
        same_shards : bool
            Whether workers keep their shards.

        Raises
        ------
        UsageError
            No such scheme exists for these data and delays; nothing has changed.
        """
        group = self.stage.master.group
        scheme = scheme_of(config, len(workers))
        fit(scheme, self.setup, self.problem)
        check_delay(replace(self.setup, config=config, scheme=scheme))
        members = [group.members[worker] for worker in workers]
        delay_streams = [group.delay_streams[worker] for worker in workers]
        kept = self.stage.master if same_shards else None
        self.config = config
        self._enlist(
            scheme, members, delay_streams, group.replaces if kept else group.code_id, kept
        )
        self.staffing.dismiss(set(group.members) - set(members))

    def measure_change(self) -> None:
        """Record the measured effect of the latest change of scheme."""
        if self.adaptations and self.adaptations[-1].stage == self.stage.number:
            self.adaptations[-1].cost = self.stage.cost
            self.adaptations[-1].measured = self.stage.seconds

    def refill(self, seconds: float = 0.0) -> bool:
        """Replace lost workers, waiting `seconds` for new ones; return whether any was replaced."""
        return self.staffing.refill(self.stage.master, self.iteration, self.config, seconds)

    def _replan(self, amplification: float | None) -> None:
        """Build the code for the remaining workers, and distribute the data again."""
        losses = self.staffing.losses_here
        if self.config.on_loss != "replan":
            raise TooFewWorkers(self.iteration, losses, self._mend, amplification)
        old = self.stage.master.group
        living = [w for w, peer in enumerate(old.members) if peer not in self.transport.lost]
        try:
            scheme = scheme_of(self.config, len(living))
            fit(scheme, self.setup, self.problem)
        except Infeasible as infeasible:
            mend = f"there is no other plan ({infeasible})"
            raise TooFewWorkers(self.iteration, losses, mend, amplification) from None
        members = [old.members[worker] for worker in living]
        delay_streams = [old.delay_streams[worker] for worker in living]
        self._enlist(scheme, members, delay_streams, old.code_id)
        self.observer.warning(
            f"from iteration {self.iteration} on: {scheme.name} on {scheme.workers} workers, "
            f"N = {scheme.blocks} blocks, load r = {scheme.load}"
        )

    def state(self) -> Checkpoint:
        """Return everything on which the next iterations depend, and the record of those before."""
        master = self.stage.master
        self.measure_change()
        values = {
            "started": self.setup.scheme.workers,
            "workers": self.stage.scheme.workers,
            "stages": len(self.stages) + self._stages_before,
            "scheme": master.decoder.learnt.state(),
            "speeds": master.speeds(),
            "clock": self._clock,
            "first_norm": master.first_exact_norm,
            "absences": [astuple(absence) for absence in master.absences],
            "losses": [report.to_json() for report in self.staffing.losses],
            "refused": self.refusals.state(),
            "adaptations": [each.to_json() for each in self.adaptations],
        }
        if self._convergence.without_begin is not None:
            values["norm_without_begin"] = self._convergence.without_begin
        arrays = self.optimizer.state()
        if self.validation:
            values["validation"] = self.validation.values()
            arrays = {**arrays, **self.validation.arrays()}
        return Checkpoint(self.iteration, values, arrays)

    def restore(self, checkpoint: Checkpoint, log: list[Iteration]) -> None:
        """Continue from a checkpoint and the records before it. Call it before `start`."""
        values = checkpoint.values
        self.optimizer.restore({k: v for k, v in checkpoint.arrays.items() if k != BEST})
        if self.validation:
            self.validation.restore(values["validation"], checkpoint.arrays)
        self._convergence.without_begin = values.get("norm_without_begin")
        self.trail = Trail(self.optimizer.beta)
        self.log += log
        self.staffing.restore([Report.from_json(report) for report in values["losses"]])
        self.adaptations = [Adaptation.from_json(each) for each in values["adaptations"]]
        self.refusals.restore(values["refused"])
        self._resumed = checkpoint
        self.transport.set_clock(values["clock"])
        self._stages_before = ended_stages(checkpoint, self.setup.scheme.workers)

    @property
    def _has_ideal(self) -> bool:
        """Whether all delays were injected, and into stages that this process knows."""
        return self.setup.delay.injects and not self.stages[0].first

    def ideal(self) -> Floats | None:
        """Return the completion time of each iteration on the same delays without late messages.

        Lost workers are missing there, too. Return None if no delays are injected, or if the
        iterations before a checkpoint used another code.
        """
        return self._ideal.times() if self._has_ideal else None

    def _note_ideal(self, iteration: int) -> None:
        """Queue the computation of an iteration's ideal completion time in the latest stage."""
        absences = ((each.worker, each.at(iteration)) for each in self.stage.master.absences)
        self._ideal.note(iteration, {who: after for who, after in absences if after is not None})
