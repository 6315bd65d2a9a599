"""One run: the command line and scripts take the same steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coded_dgd import streams
from coded_dgd.advising import measuring
from coded_dgd.app import convergence
from coded_dgd.config import LOG_LEVELS, RunConfig
from coded_dgd.engine import job, setup
from coded_dgd.engine.adapting import Adviser
from coded_dgd.engine.checkpoint import Keeper
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.job import Callback, Outcome
from coded_dgd.engine.observer import Observer, Observers
from coded_dgd.engine.setup import Setup
from coded_dgd.engine.transports.base import Transport
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import UsageError
from coded_dgd.files import replacing
from coded_dgd.host.interrupts import Interrupts, Waiting
from coded_dgd.planner import memory
from coded_dgd.planner.loading import loading
from coded_dgd.planner.memory import Peaks
from coded_dgd.problems import held_out as holding
from coded_dgd.problems.beginning import Begin, start_at
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.model import Model
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.preparation import preparation_of
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source, in_memory
from coded_dgd.report.progress import Progress
from coded_dgd.report.timeline import TimelineFile
from coded_dgd.runs import resume as resuming
from coded_dgd.runs.log_dir import LogDir
from coded_dgd.runs.run_folder import RunFolder
from coded_dgd.runs.run_lock import RunLock
from coded_dgd.runs.summarizing import summarize
from coded_dgd.runs.summary import Planned, Summary

if TYPE_CHECKING:
    from coded_dgd.planner.planning import Plan


NEEDS = {
    "log_level": "log_dir",
    "allow_different_workers": "resume",
    "allow_different_data": "resume",
    "wait_for_run": "resume",
}
"""Options that have no effect without another option, with that option."""


def idle(given: Mapping[str, Any]) -> list[str]:
    """Return the options of `NEEDS` that are given without the option that they need."""
    return [name for name, needed in NEEDS.items() if name in given and not given.get(needed)]


@dataclass(frozen=True)
class Records:
    """What a run writes and prints, besides its result."""

    folder: bool = True
    """Whether the run has a folder; without one there are no checkpoints."""
    out: Path | None = None
    """Run folder to create; by default a new one below ``runs``."""
    resume: Path | None = None
    """Run folder to resume, instead of a new one."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Options that change the configuration of the resumed run."""
    wait_for_run: bool = False
    """Whether to wait until a run in progress in that folder has ended."""
    allow_different_workers: bool = False
    """Whether the resumed run may have another number of workers."""
    allow_different_data: bool = False
    """Whether the resumed run may have other data with the same number of features."""
    timeline: Path | None = None
    log_dir: Path | None = None
    log_level: str = "info"
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.resume and self.out:
            raise UsageError("--resume goes on in the folder that it names: leave --out out")
        for name in idle({name: value for name, value in vars(self).items() if value}):
            option = f"--{name.replace('_', '-')}"
            if NEEDS[name] == "resume":
                raise UsageError(f"{option} does nothing without --resume: add --resume RUNFOLDER")
        if self.log_level not in LOG_LEVELS:
            raise UsageError(f"--log-level: give one of {', '.join(LOG_LEVELS)}")


class Given(NamedTuple):
    """What a program gives in memory; None for what the configuration names instead."""

    source: Source | None = None
    """The data."""
    begin: Begin | None = None
    """The model to begin at."""
    held_out: Source | None = None
    """Rows on which the model is judged while it is trained."""
    objective: Objective | None = None


NOTHING = Given()


class FinishedRun(NamedTuple):
    """A run that has ended normally."""

    outcome: Outcome
    model: Model
    summary: Summary


def run(
    config: RunConfig,
    master: Transport | None,
    records: Records,
    given: Given = NOTHING,
    callback: Callback | None = None,
) -> FinishedRun:
    """Train and record the run. A probe chooses the scheme if the configuration asks for it.

    Parameters
    ----------
    config : RunConfig
        The configuration. If a run is resumed, it is read again once the folder is locked.
    master : Transport, optional
        The connection to the workers; None to simulate them.
    given : Given, optional
        The parts of the run that are in memory.
    callback : callable, optional
        Is given the record of each iteration, and may stop the run.

    Raises
    ------
    CodedDGDError
        See `job.run`; also raised if the folder or a file cannot be used.
    """
    if not records.resume:
        return _run(config, master, records, given, None, callback)
    with _own(records.resume, records) as lock:
        changed = resuming.configuration(
            records.resume,
            records.given,
            records.allow_different_workers,
            records.allow_different_data,
        )
        if given.source is None and changed.data == in_memory.NAME:
            raise UsageError(
                f"--resume {records.resume}: the data of this run were arrays: give X and y to "
                "train again, or a file of the same numbers with --data"
            )
        if given.held_out is None and changed.validation == holding.NAME:
            raise UsageError(
                f"--resume {records.resume}: the held-out rows of this run were arrays: give them "
                "to train again, as validation=(X, y)"
            )
        return _run(changed, master, records, given, lock, callback)


def _own(folder: Path, records: Records) -> RunLock:
    """Lock the folder of the run to resume; if requested, wait until it is free."""

    def say(line: str) -> None:
        if not records.quiet:
            print(line, file=streams.messages(), flush=True)

    waiting = Waiting()
    with Interrupts(waiting):
        return RunLock.acquire(folder, records.wait_for_run, say, waiting)


def _run(
    config: RunConfig,
    master: Transport | None,
    records: Records,
    given: Given,
    lock: RunLock | None,
    callback: Callback | None,
) -> FinishedRun:
    """Train and record as `run` does; `lock` is of the folder of a resumed run."""
    source, begin, rows, objective = given
    held = 0.0
    if source is None:
        source, held = measuring.open_data(config)
    if rows is not None:
        rows = holding.beside(source, rows)
    elif config.validation is not None:
        source, rows = holding.separate(source, config.validation, config.seed, config.reading)
    fixed, free = config.scheme_options, config.scheme == measuring.AUTO
    if objective is not None and (free or config.adapt):
        raise UsageError(
            f"{'--scheme auto' if free else '--adapt'} plans for objectives that have a name: "
            "give one of those, or MODULE:CLASS, instead of an object"
        )
    plan = _choose(config, master, source, held) if free else None
    if plan:
        config = plan.configured(plan.choice)
    prepared = setup.prepare(config, None if master is None else master.workers, objective)
    problem = prepared.problem(source)
    held_out = None
    if rows is not None:
        kept = holding.prepared(rows, problem.source)
        held_out = holding.HeldOut(kept, config.validation_every, config.patience)
        held += held_out.memory
    transport = master or SimulatedTransport(prepared.scheme.workers, objective)
    adviser = _adviser(config, transport, problem.source, fixed, plan) if config.adapt else None
    progress = _progress(prepared, plan, records.quiet)
    forecast = _Forecast(prepared, problem.source, held, progress)
    logs = _logs(records, transport)
    if begin is None and config.start is not None:
        begin = Path(config.start)
    place = _place(records, lock, prepared, problem, begin)
    with Observers([*logs, *filter(None, [place.folder]), progress, forecast]) as everybody:
        outcome = _train(
            prepared, transport, everybody, problem, place, plan, adviser, held_out, callback
        )
        everybody.stopped(outcome.stop)
        outcome.not_converged = convergence.verdict(outcome)
        if outcome.not_converged:
            everybody.warning(outcome.not_converged)
        model = Model.of(outcome.start.problem, outcome.beta, config.objective, config.dtype)
        path = place.folder.path if place.folder else None
        result = summarize(outcome, path, forecast.peaks, _planned(plan, outcome))
        if place.folder:
            place.folder.finish(outcome, model, result)
    return FinishedRun(outcome, model, result)


def _choose(config: RunConfig, master: Transport | None, source: Source, held: float) -> Plan:
    """Probe the workers, and plan the scheme, the load and other options left open."""
    workers = setup.check_workers(config, None if master is None else master.workers)
    probed = master or SimulatedTransport(workers)
    with Interrupts(probed):
        return measuring.choose(config, probed, workers, source, held)


def _adviser(
    config: RunConfig,
    transport: Transport,
    source: Source,
    given: Mapping[str, Any],
    plan: Plan | None,
) -> Adviser:
    """Return the adviser that may change the scheme during the run.

    Parameters
    ----------
    given : mapping
        Scheme options that the user has given.
    plan : Plan, optional
        The plan that chose the scheme; without it the scheme is kept.
    """
    from coded_dgd.advising import live

    network = plan.measured.network if plan else None
    with Interrupts(transport):
        return live.adviser(config, transport, source, given, network, plan is not None)


def _progress(prepared: Setup, plan: Plan | None, quiet: bool) -> Progress:
    """Return the observer that shows the progress of the run."""
    if plan is None:
        return Progress(prepared, streams.messages(), quiet, "", None)
    from coded_dgd.report import plan as planning

    planned = plan.choice.iteration
    completion = planned.completion if planned else None
    return Progress(prepared, streams.messages(), quiet, planning.why(plan), completion)


def _logs(records: Records, transport: Transport) -> list[Observer]:
    """Return the observers that write rank logs and the timeline, as requested."""
    found: list[Observer] = []
    if records.log_dir:
        found.append(LogDir(records.log_dir, records.log_level, transport))
    if records.timeline:
        found.append(TimelineFile(records.timeline, transport))
    return found


class _Place(NamedTuple):
    """Where a run is recorded; None for absent parts."""

    folder: RunFolder | None = None
    keeper: Keeper | None = None
    found: resuming.ResumePoint | None = None
    """State in the folder of a resumed run."""


def _place(
    records: Records,
    lock: RunLock | None,
    prepared: Setup,
    problem: Problem,
    begin: Begin | None,
) -> _Place:
    """Create the run folder, or continue with the folder of `lock`.

    Without a state to continue from, the problem begins at `begin`.
    """
    if not lock and begin is not None:
        problem.begin = start_at(begin, problem)
    if not (records.folder or lock):
        return _Place()
    config, found = prepared.config, None
    data = fingerprint(preparation_of(problem.source)[0], config.data)
    if lock:
        other_workers, other_data = records.allow_different_workers, records.allow_different_data
        length = problem.parameters
        found = resuming.find(lock.folder, prepared, data, length, other_workers, other_data)
        if not found.resume and begin is not None:
            problem.begin = start_at(begin, problem)
        folder = RunFolder.reopen(lock, prepared, found.resume[0] if found.resume else None)
    else:
        folder = RunFolder.create(records.out, prepared)
    every, seconds = config.checkpoint_every, config.checkpoint_seconds
    return _Place(folder, Keeper(folder.path, every, seconds, folder.sync, data._asdict()), found)


def _train(
    prepared: Setup,
    transport: Transport,
    everybody: Observer,
    problem: Problem,
    place: _Place,
    plan: Plan | None,
    adviser: Adviser | None,
    held_out: holding.HeldOut | None,
    callback: Callback | None,
) -> Outcome:
    """Train from the state of the folder, and record the plan that chose the scheme."""
    folder, keeper, found = place
    resume = found.resume if found else None
    # without checkpoints an orderly stop has no purpose, so signals keep their effect
    with Interrupts(transport) if folder else nullcontext():
        if folder and plan:
            from coded_dgd.planner.record import to_json

            with replacing(folder.path / measuring.PLAN) as file:
                file.write(json.dumps(to_json(plan)).encode() + b"\n")
        if found:
            everybody.resumed(resume[0].iteration if resume else 0, found.complaints)
            if found.differences:
                differ = ", ".join(found.differences)
                everybody.warning(f"goes on with other data than before: {differ}")
        return job.run(
            prepared, transport, everybody, problem, keeper, resume, adviser, held_out, callback
        )


def _planned(plan: Plan | None, outcome: Outcome) -> Planned | None:
    """Return the plan together with the measurements; None without a plan."""
    if plan is None:
        return None
    from coded_dgd.report import plan as planning

    return planning.beside(plan, outcome)


class _Forecast(Observer):
    """Predicts peak memory and the loading of libraries before data are distributed over MPI.

    Parameters
    ----------
    held : float
        Bytes that the data already take on rank 0.
    """

    def __init__(self, prepared: Setup, source: Source, held: float, progress: Progress) -> None:
        self._setup, self._source, self._held = prepared, source, held
        self._progress = progress
        self.peaks: Peaks | None = None
        """Predicted peaks of memory; None if nothing is predicted."""

    def distributing(self, group: WorkerGroup) -> None:
        config = self._setup.config
        if config.transport == "mpi":
            self.peaks = memory.peaks(
                group.scheme,
                self._source,
                self._setup.objective,
                config,
                self._held,
                group.kernel,
                group.host_groups,
            )
            self._progress.memory(self.peaks)
            self._progress.loading(loading(self._setup.objective))
