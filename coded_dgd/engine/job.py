"""A whole run on rank 0: from the configuration to the last worker's last word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

import numpy as np

from coded_dgd.engine.adapting import Adapter, Adviser
from coded_dgd.engine.changes import Adaptation
from coded_dgd.engine.checkpoint import Checkpoint, Keeper
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.observer import Observer, Start, Stop
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.engine.setup import Setup
from coded_dgd.engine.stage import Stage
from coded_dgd.engine.trail import Trail
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import STOP_SECONDS, Transport
from coded_dgd.errors import Interrupted, Undecodable
from coded_dgd.host.process import process_age
from coded_dgd.problems.sources import Source

Resume = tuple[Checkpoint, list[Iteration]]
"""A checkpoint, and the records of the iterations before it."""


@dataclass
class Ending:
    """How the workers have been stopped. Times in seconds."""

    reports: list[Report] = field(default_factory=list)
    drained: int = 0
    """Messages that arrived after the last iteration."""
    shutdown_time: float = 0.0
    wall_time: float = 0.0
    """From the start of this process until the last worker has been stopped."""


@dataclass
class Outcome:
    """What a run has produced. Times in seconds."""

    setup: Setup
    start: Start
    beta: Floats
    status: str
    """``done`` after all iterations, ``converged`` by ``--stop-at``."""
    step_size: float
    """Of the last iteration."""
    trail: Trail
    log: list[Iteration]
    stages: list[Stage]
    losses: list[Report]
    """Workers that were lost."""
    training_time: float
    checkpoint_time: float = 0.0
    """What of that went into checkpoints."""
    resumed_at: int = 0
    """Iterations that an earlier process did."""
    ideal: Floats | None = None
    """Ideal completion time of each iteration; None where nothing is injected."""
    refused: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """Messages that were not used because they make no sense, by peer and reason."""
    adaptations: list[Adaptation] = field(default_factory=list)
    """Changes of the scheme."""
    advice_time: float = 0.0
    """What advising them took."""
    not_converged: str | None = None
    """What is to be said of a run that is far from the optimum (`app.convergence`)."""
    ending: Ending = field(default_factory=Ending)

    @property
    def exact(self) -> bool:
        """Whether the gradients are, whatever schemes there have been."""
        return all(stage.scheme.exact for stage in self.stages)

    @property
    def stop(self) -> Stop:
        """Why the run has stopped, and how far the gradient had come down."""
        reached = self.status == "converged"
        return Stop(
            len(self.log),
            "target" if reached else "iterations",
            reached if self.setup.config.stop_at else None,
            gradient_norm_ratio(self.log, self.exact),
        )

    @property
    def arrivals(self) -> list[Floats]:
        """When each message arrived, an array for each stage; see `ArrivalLog`."""
        ends = [stage.first for stage in self.stages[1:]] + [len(self.log)]
        return [
            stage.master.log.read(end - stage.first)
            for stage, end in zip(self.stages, ends, strict=True)
        ]


def gradient_norm_ratio(log: Sequence[Iteration], exact: bool) -> float | None:
    """Return the last ||gradient|| over the first; None where there is no first one.

    Parameters
    ----------
    exact : bool
        Whether a gradient of zero is one; else it is of an iteration in which nothing came in
        time, and does not count.
    """
    norms = [record.gradient_norm for record in log]
    first = next(filter(None, norms), None)
    if first is None:
        return None
    return (norms[-1] if exact else next(filter(None, reversed(norms)))) / first


@contextmanager
def stopping(transport: Transport) -> Iterator[Ending]:
    """Stop the workers at the end, whatever happens."""
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
    """Gather what a trainer has produced; workers that failed too late to matter are lost too."""
    trainer.note(*(report for report in ending.reports if report.failure is not None))
    trainer.measure_change()
    return Outcome(
        setup=trainer.setup,
        start=start,
        beta=trainer.optimizer.beta,
        status=status,
        step_size=trainer.optimizer.step_size,
        trail=trainer.trail,
        log=trainer.log,
        stages=trainer.stages,
        losses=trainer.losses,
        refused=trainer.refused,
        adaptations=trainer.adaptations,
        training_time=training_time,
        ideal=trainer.ideal(),
        ending=ending,
    )


def run(
    setup: Setup,
    transport: Transport,
    observer: Observer | None = None,
    source: Source | None = None,
    keeper: Keeper | None = None,
    resume: Resume | None = None,
    adviser: Adviser | None = None,
) -> Outcome:
    """Distribute the data, train, and stop the workers, whatever happens.

    Parameters
    ----------
    observer : Observer, optional
        Is informed of what happens; entered by the caller.
    source : Source, optional
        The data; by default those that the configuration names.
    keeper : Keeper, optional
        Writes checkpoints, the last one where the run ends.
    resume : Resume, optional
        Where to go on from.
    adviser : Adviser, optional
        Asked between iterations whether to change the scheme.

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
            setup.problem(source),
            keeper.folder if keeper else None,
            observer,
        )
        adapter = Adapter(trainer, adviser)
        if resume:
            trainer.restore(*resume)
        start = trainer.start()
        observer.start(start)
        # divergence is found out
        unusual: Literal["ignore", "warn"] = "warn" if transport.logs else "ignore"
        begin = monotonic()
        try:
            while not (converged := _converged(trainer)):
                if trainer.iteration >= setup.config.iterations:
                    break
                with np.errstate(over=unusual, invalid=unusual):
                    adapter.ask()
                    record = trainer.step()
                observer.iteration(record)
                if keeper and keeper.due(trainer.iteration):
                    keeper.keep(trainer.state())
        except (Interrupted, Undecodable) as error:
            if keeper:
                keeper.keep(trainer.state())
                error.args = (f"{error}; --resume {keeper.folder} goes on from there",)
            raise
        if keeper:
            keeper.keep(trainer.state())
        training_time = monotonic() - begin
    status = "converged" if converged else "done"
    outcome = conclude(trainer, start, status, training_time, ending)
    outcome.advice_time = adapter.seconds
    outcome.checkpoint_time = keeper.time_spent if keeper else 0.0
    outcome.resumed_at = resume[0].iteration if resume else 0
    return outcome


def _converged(trainer: Trainer) -> bool:
    """Whether the gradient is small enough, and not only because nothing came in time."""
    if not trainer.log:
        return False
    norm = trainer.log[-1].gradient_norm
    if not norm and not trainer.setup.scheme.exact:
        return False
    return norm <= trainer.config.stop_at * trainer.first_norm
