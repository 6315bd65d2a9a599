"""A whole run on rank 0, from the configuration until the last worker has stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

import numpy as np

from coded_dgd.engine.adapting import Adapter, Adviser
from coded_dgd.engine.changes import Adaptation
from coded_dgd.engine.checkpoint import Checkpoint, Keeper
from coded_dgd.engine.iteration import Iteration, first_norm
from coded_dgd.engine.observer import Observer, Start, Stop
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.engine.setup import Setup
from coded_dgd.engine.stage import Stage
from coded_dgd.engine.trail import Trail
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import STOP_SECONDS, Transport
from coded_dgd.engine.validating import Validation
from coded_dgd.errors import Interrupted, Undecodable
from coded_dgd.host.process import process_age
from coded_dgd.problems.held_out import HeldOut
from coded_dgd.problems.problem import Problem

Resume = tuple[Checkpoint, list[Iteration]]
"""A checkpoint, and the records of the iterations before it."""


Callback = Callable[[Iteration], Any]
"""A function that is given the record of each iteration; if it returns True, the run stops."""

DONE, CONVERGED = "done", "converged"
IMPATIENT, CALLED_OFF = "stopped by --patience", "stopped by the callback"
REASONS = {
    DONE: "iterations",
    CONVERGED: "target",
    IMPATIENT: "patience",
    CALLED_OFF: "callback",
}
"""Reason for stopping, by the status of a run that has ended normally."""


@dataclass
class Ending:
    """How the workers have been stopped. Times are in seconds."""

    reports: list[Report] = field(default_factory=list)
    drained: int = 0
    """Number of messages that arrived after the last iteration."""
    shutdown_time: float = 0.0
    wall_time: float = 0.0
    """Time from the start of this process until the last worker has stopped."""


@dataclass
class Outcome:
    """Results of a run. Times are in seconds."""

    setup: Setup
    start: Start
    beta: Floats
    status: str
    """Why the run has ended: a key of `REASONS`."""
    step_size: float
    """Step size of the last iteration."""
    trail: Trail
    log: list[Iteration]
    stages: list[Stage]
    losses: list[Report]
    """Reports of the workers that were lost."""
    training_time: float
    checkpoint_time: float = 0.0
    """Part of the training time that checkpoints took."""
    resumed_at: int = 0
    """Number of iterations done by an earlier process."""
    ideal: Floats | None = None
    """Ideal completion time of each iteration; None if no delays are injected."""
    refused: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """Number of messages not used because they make no sense, by peer and reason."""
    adaptations: list[Adaptation] = field(default_factory=list)
    """Changes of the scheme."""
    advice_time: float = 0.0
    """Time that advice on changes took."""
    validation: Validation | None = None
    """What is known of held-out rows; `beta` is the model that it has chosen."""
    not_converged: str | None = None
    """Warning that the run ended far from the optimum (`app.convergence`), if it did."""
    ending: Ending = field(default_factory=Ending)

    @property
    def exact(self) -> bool:
        """Whether the gradients of all stages are exact gradients of all rows."""
        return self.start.problem.batches is None and all(
            stage.scheme.exact for stage in self.stages
        )

    @property
    def epochs(self) -> float:
        """Number of passes over the data: iterations times the fraction of rows of a batch."""
        batches = self.start.problem.batches
        return len(self.log) / (batches.scale if batches else 1)

    @property
    def stop(self) -> Stop:
        """Why the run has stopped, and by how much the gradient norm has fallen."""
        reached = self.status == CONVERGED
        return Stop(
            len(self.log),
            REASONS[self.status],
            reached if self.setup.config.stop_at else None,
            gradient_norm_ratio(self.log, self.exact),
        )

    @property
    def arrivals(self) -> list[Floats]:
        """Arrival times of all messages, with one array for each stage; see `ArrivalLog`."""
        ends = [stage.first for stage in self.stages[1:]] + [len(self.log)]
        return [
            stage.master.log.read(end - stage.first)
            for stage, end in zip(self.stages, ends, strict=True)
        ]


def gradient_norm_ratio(log: Sequence[Iteration], exact: bool) -> float | None:
    """Return the ratio of the last gradient norm to the first; None if there is no first one.

    Parameters
    ----------
    exact : bool
        Whether gradients are exact. If not, a zero norm stands for an iteration in which no
        message arrived in time, and is skipped.
    """
    norms, first = [record.gradient_norm for record in log], first_norm(log)
    if not first:
        return None
    return (norms[-1] if exact else next(filter(None, reversed(norms)))) / first


def _status(trainer: Trainer) -> str | None:
    """Return why a training ends here, as a key of `REASONS`; None if it goes on."""
    if trainer.converged:
        return CONVERGED
    if trainer.validation and trainer.validation.exhausted:
        return IMPATIENT
    return DONE if trainer.iteration >= trainer.setup.config.iterations else None


def asks_to_stop(answer: Any) -> bool:
    """Return whether a callback has asked to stop; other values than True do not."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


@contextmanager
def stopping(transport: Transport) -> Iterator[Ending]:
    """Stop the workers at the end, also after an error."""
    ending = Ending()
    try:
        yield ending
    finally:
        begin = monotonic()
        ending.reports, ending.drained = transport.stop(STOP_SECONDS)
        ending.shutdown_time, ending.wall_time = monotonic() - begin, process_age()


def conclude(
    trainer: Trainer, start: Start, status: str, training_time: float, ending: Ending
) -> Outcome:
    """Collect the results of a trainer, with late failures of workers as losses."""
    trainer.staffing.note(*(report for report in ending.reports if report.failure is not None))
    trainer.measure_change()
    beta, validation = trainer.optimizer.beta, trainer.validation
    return Outcome(
        setup=trainer.setup,
        start=start,
        beta=validation.chosen(beta) if validation else beta,
        validation=validation,
        status=status,
        step_size=trainer.optimizer.step_size,
        trail=trainer.trail,
        log=trainer.log,
        stages=trainer.stages,
        losses=trainer.staffing.losses,
        refused=trainer.refusals.counts,
        adaptations=trainer.adaptations,
        training_time=training_time,
        ideal=trainer.ideal(),
        ending=ending,
    )


def run(
    setup: Setup,
    transport: Transport,
    observer: Observer | None = None,
    problem: Problem | None = None,
    keeper: Keeper | None = None,
    resume: Resume | None = None,
    adviser: Adviser | None = None,
    held_out: HeldOut | None = None,
    callback: Callback | None = None,
) -> Outcome:
    """Distribute the data, train, and stop the workers, also after an error.

    Parameters
    ----------
    observer : Observer, optional
        Is informed of all events; the caller has entered its context.
    problem : Problem, optional
        The problem; by default on the data that the configuration names.
    keeper : Keeper, optional
        Writes checkpoints, the last one when the run ends.
    resume : Resume, optional
        The checkpoint from which to continue.
    adviser : Adviser, optional
        Is asked between iterations whether to change the scheme.
    held_out : HeldOut, optional
        Rows on which to judge the model between iterations.
    callback : callable, optional
        Is given the record of each iteration, and may stop the run.

    Raises
    ------
    CodedDGDError
        Bad data, too many lost workers, divergence, a gradient that cannot be decoded, or a request
        to stop.
    """
    observer = observer or Observer()
    with stopping(transport) as ending:
        trainer = Trainer(
            setup,
            transport,
            problem or setup.problem(),
            keeper.folder if keeper else None,
            observer,
            held_out=held_out,
        )
        adapter = Adapter(trainer, adviser)
        if resume:
            trainer.restore(*resume)
        start = trainer.start()
        observer.start(start)
        # the trainer detects divergence
        unusual: Literal["ignore", "warn"] = "warn" if transport.logs else "ignore"
        begin = monotonic()
        try:
            while (status := _status(trainer)) is None:
                with np.errstate(over=unusual, invalid=unusual):
                    adapter.ask()
                    record = trainer.step()
                observer.iteration(record)
                if keeper and keeper.due(trainer.iteration):
                    keeper.keep(trainer.state())
                if callback and asks_to_stop(callback(record)):
                    status = CALLED_OFF
                    break
        except (Interrupted, Undecodable) as error:
            if keeper:
                keeper.keep(trainer.state())
                error.args = (f"{error}; --resume {keeper.folder} goes on from there",)
            raise
        if keeper:
            keeper.keep(trainer.state())
        training_time = monotonic() - begin
    outcome = conclude(trainer, start, status, training_time, ending)
    outcome.advice_time = adapter.seconds
    outcome.checkpoint_time = keeper.time_spent if keeper else 0.0
    outcome.resumed_at = resume[0].iteration if resume else 0
    return outcome
