"""Compare schemes and optimizers in one job: they run in turn, on the same delays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any

import numpy as np

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig
from coded_dgd.delays.base import SHARE
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.job import Ending, Outcome, conclude, stopping
from coded_dgd.engine.losses import REDUNDANCY
from coded_dgd.engine.observer import Observer, Start
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import CodedDGDError, Diverged, Infeasible, Undecodable, UsageError
from coded_dgd.host.process import process_age
from coded_dgd.problems import optimizers
from coded_dgd.schemes import remedies


@dataclass(eq=False)
class Contender:
    """A scheme with its optimizer that is compared with others."""

    name: str
    """Name of the scheme, and of the optimizer where several are compared."""
    trainer: Trainer
    start: Start
    training_time: float = 0.0
    """Seconds spent in its own iterations."""

    @property
    def arrived(self) -> bool:
        """Whether it has reached the target, if there is one."""
        return self.trainer.config.stop_at > 0 and self.trainer.converged

    def step(self) -> Iteration:
        """Run one iteration."""
        begin = monotonic()
        record = self.trainer.step()
        self.training_time += monotonic() - begin
        return record

    def leave(self) -> None:
        """Free the messages that wait: the contender takes no further step."""
        self.trainer.stage.master.arrivals.close()

    def conclude(self, ending: Ending) -> Outcome:
        """Collect the results of the contender."""
        # the results drained at the end cannot be attributed to a scheme
        own = replace(ending, drained=self.trainer.stage.master.late)
        status = "converged" if self.arrived else "done"
        return conclude(self.trainer, self.start, status, self.training_time, own)


@dataclass
class Comparison:
    """Results of several contenders on the same delays. Times are in seconds."""

    outcomes: dict[str, Outcome]
    """Outcomes by name, in the order given; each has done all iterations or reached the target."""
    turns: list[list[str]]
    """Names of the contenders in the order in which they ran, for each iteration."""
    left_out: dict[str, str]
    """Reason why each of the other contenders was left out, by name."""
    training_time: float
    ending: Ending


def configurations(
    scheme_names: Sequence[str],
    config: RunConfig,
    optimizer_names: Sequence[str] | None = None,
) -> list[RunConfig]:
    """Return a configuration for each scheme with each optimizer.

    Sizes and options of schemes go to the schemes that take them. Among several optimizers the
    step size goes to those that take one. If a scheme counts the work of a block as a share of the
    data, the delays of all of them do, unless the delay names another unit.

    Parameters
    ----------
    scheme_names : sequence of str
        Names of schemes.
    config : RunConfig
        Configuration that they share; its ``stop_at`` is the target, and 0 stands for none.
    optimizer_names : sequence of str, optional
        Different names of optimizers; by default the one of the configuration.

    Raises
    ------
    UsageError
        A scheme is unknown or named twice, or none of the schemes takes an option.
    """
    if not scheme_names:
        raise UsageError(f"--schemes names no scheme: give some, as in {remedies.SEVERAL}")
    for name in scheme_names:
        if scheme_names.count(name) > 1:
            raise UsageError(f"--schemes names {name} twice: once is enough")
    if any(schemes.find(name)[0].per == SHARE for name in scheme_names):
        config = replace(config, delay=delays.in_unit(config.delay, SHARE))
    given = {"blocks": config.blocks, "load": config.load, **config.scheme_options}
    nothing: dict[str, Any] = dict.fromkeys(given)
    steppers: list[dict[str, Any]] = [
        {"optimizer": name, "step_size": optimizers.step_size_for(name, config.step_size)}
        for name in optimizer_names or ()
    ]
    return [
        replace(config, scheme=scheme, **stepper, **(nothing | taken))
        for scheme, taken in schemes.share(scheme_names, given).items()
        for stepper in steppers or [{}]
    ]


def contender_names(configs: Sequence[RunConfig]) -> list[str]:
    """Return the names of contenders: of their schemes, and of optimizers if these differ."""
    if len({config.optimizer for config in configs}) == 1:
        return [config.scheme for config in configs]
    return [f"{config.scheme} + {config.optimizer}" for config in configs]


def compare(
    configs: Sequence[RunConfig],
    transport: Transport,
    on_start: Callable[[Sequence[Contender]], None] = lambda _: None,
    on_turn: Callable[[Sequence[Iteration]], None] = lambda _: None,
    say: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Train with every contender, one iteration each in turn, and stop the workers.

    All contenders see the same delays in iterations of the same number. Their order is drawn again
    for each iteration. Thus a machine that slows down favours no contender, and none always
    follows the same other one. Workers hold the blocks of all of them. A contender that reaches the
    target, if there is one, takes no further turn.

    Parameters
    ----------
    configs : sequence of RunConfig
        Configurations that differ only in the scheme, its options, and the optimizer.
    on_turn : callable
        Called when every contender has done an iteration.
    say : callable
        Called with a message for each contender that is left out and each lost worker.

    Raises
    ------
    CodedDGDError
        None of the contenders can be run to the end, or an error concerns them all.
    """
    field = _Field(configs, say)
    with stopping(transport) as ending:
        contenders = field.line_up(transport)
        on_start(contenders)
        going = list(contenders)
        rng = np.random.default_rng(np.random.SeedSequence(configs[0].seed, spawn_key=(7,)))
        turns: list[list[str]] = []
        begin = monotonic()
        while going and len(turns) < configs[0].iterations:
            turn = [going[k] for k in rng.permutation(len(going))]
            turns.append([contender.name for contender in turn])
            records = []
            for contender in turn:
                try:
                    records.append(contender.step())
                except (Diverged, Undecodable) as error:
                    field.leave_out(contender.name, error)
                if contender.name in field.left_out or contender.arrived:
                    contender.leave()
                    going.remove(contender)
            if records:
                on_turn(records)
        training_time = monotonic() - begin
    return Comparison(
        {
            contender.name: contender.conclude(ending)
            for contender in contenders
            if contender.name not in field.left_out
        },
        turns,
        {name: str(error) for name, error in field.left_out.items()},
        training_time,
        ending,
    )


class _Field(Observer):
    """The contenders, and those left out."""

    def __init__(self, configs: Sequence[RunConfig], say: Callable[[str], None]) -> None:
        self._configs = dict(zip(contender_names(configs), configs, strict=True))
        self._say = say
        self.left_out: dict[str, CodedDGDError] = {}
        self._said: set[str] = set()

    def warning(self, line: str, details: str = "") -> None:
        """Forward a warning once: a lost worker is lost to all contenders."""
        del details
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def leave_out(self, name: str, error: CodedDGDError) -> None:
        """Continue without a contender. Raise the error, with all reasons, if it was the last."""
        self.left_out[name] = error
        if len(self.left_out) == len(self._configs):
            by_reason: dict[str, list[str]] = {}
            for each, reason in self.left_out.items():
                by_reason.setdefault(str(reason), []).append(each)
            reasons = "; ".join(f"{', '.join(who)}: {why}" for why, who in by_reason.items())
            error.args = (f"none of the schemes can be run: {reasons}",)
            raise error
        self.warning(f"{name} is left out: {error}")

    def line_up(self, transport: Transport) -> list[Contender]:
        """Prepare every contender that can be with these sizes and data; distribute the data."""
        setups, contenders = {}, []
        for name, config in self._configs.items():
            workers = transport.workers if config.transport == "mpi" else None
            try:
                setups[name] = prepare(config, workers)
            except Infeasible as error:
                self.leave_out(name, error)
        problem = next(iter(setups.values())).problem()
        for name, setup in setups.items():
            try:
                trainer = Trainer(setup, transport, problem, observer=self, mend=REDUNDANCY)
                contenders.append(Contender(name, trainer, trainer.start()))
            except Infeasible as error:
                self.leave_out(name, error)
        for contender in contenders:
            contender.start = replace(contender.start, startup_time=process_age(), left_at=time())
        return contenders
