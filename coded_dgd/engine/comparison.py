"""Compare several schemes in one job: they run in turn, on the same delays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any

import numpy as np

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.job import Ending, Outcome, conclude, stopping
from coded_dgd.engine.losses import REDUNDANCY
from coded_dgd.engine.observer import Observer, Start
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import CodedDGDError, Diverged, Infeasible, Undecodable, UsageError
from coded_dgd.host.process import process_age
from coded_dgd.schemes import remedies


@dataclass
class Contender:
    """A scheme that is compared with others."""

    trainer: Trainer
    start: Start
    training_time: float = 0.0
    """Seconds spent in its own iterations."""

    @property
    def name(self) -> str:
        """Name of its scheme."""
        return self.trainer.setup.scheme.name

    def step(self) -> Iteration:
        """Run one iteration."""
        begin = monotonic()
        record = self.trainer.step()
        self.training_time += monotonic() - begin
        return record

    def conclude(self, ending: Ending) -> Outcome:
        """Collect the results of the scheme."""
        # the results drained at the end cannot be attributed to a scheme
        own = replace(ending, drained=self.trainer.stage.master.late)
        return conclude(self.trainer, self.start, "done", self.training_time, own)


@dataclass
class Comparison:
    """Results of several schemes on the same delays. Times are in seconds."""

    outcomes: list[Outcome]
    """Outcomes of the schemes that have done all iterations, in the order given."""
    turns: list[list[str]]
    """Names of the schemes in the order in which they ran, for each iteration."""
    left_out: dict[str, str]
    """Reason why each of the other schemes was left out, by name."""
    training_time: float
    ending: Ending


def configurations(names: Sequence[str], config: RunConfig) -> list[RunConfig]:
    """Return one configuration per scheme, with the sizes and options that it takes.

    Raises
    ------
    UsageError
        A scheme is unknown or named twice, or none of the schemes takes an option.
    """
    if not names:
        raise UsageError(f"--schemes names no scheme: give some, as in {remedies.SEVERAL}")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--schemes names {name} twice: once is enough")
    given = {"blocks": config.blocks, "load": config.load, **config.scheme_options}
    nothing: dict[str, Any] = dict.fromkeys(given)
    return [
        replace(config, scheme=name, **(nothing | taken))
        for name, taken in schemes.share(names, given).items()
    ]


def compare(
    configs: Sequence[RunConfig],
    transport: Transport,
    on_start: Callable[[Sequence[Contender]], None] = lambda _: None,
    on_turn: Callable[[Sequence[Iteration]], None] = lambda _: None,
    say: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Train with every scheme, one iteration each in turn, and stop the workers.

    All schemes see the same delays in iterations of the same number. Their order is drawn again
    for each iteration. Thus a machine that slows down favours no scheme, and no scheme always
    follows the same other one. Workers hold the blocks of all schemes.

    Parameters
    ----------
    configs : sequence of RunConfig
        Configurations that differ only in the scheme and its options.
    on_turn : callable
        Called when every scheme has done an iteration.
    say : callable
        Called with a message for each scheme that is left out and each lost worker.

    Raises
    ------
    CodedDGDError
        None of the schemes can be run to the end, or an error concerns them all.
    """
    field = _Field(configs, say)
    with stopping(transport) as ending:
        going = field.line_up(transport)
        on_start(going)
        rng = np.random.default_rng(np.random.SeedSequence(configs[0].seed, spawn_key=(7,)))
        turns = []
        begin = monotonic()
        for _ in range(configs[0].iterations):
            turn = [going[k] for k in rng.permutation(len(going))]
            turns.append([contender.name for contender in turn])
            records = []
            for contender in turn:
                try:
                    records.append(contender.step())
                except (Diverged, Undecodable) as error:
                    going.remove(contender)
                    contender.trainer.stage.master.arrivals.close()
                    field.leave_out(contender.name, error)
            on_turn(records)
        training_time = monotonic() - begin
    return Comparison(
        [contender.conclude(ending) for contender in going],
        turns,
        {name: str(error) for name, error in field.left_out.items()},
        training_time,
        ending,
    )


class _Field(Observer):
    """The schemes to compare, and those left out."""

    def __init__(self, configs: Sequence[RunConfig], say: Callable[[str], None]) -> None:
        self.configs, self._say = configs, say
        self.left_out: dict[str, CodedDGDError] = {}
        self._said: set[str] = set()

    def warning(self, line: str, details: str = "") -> None:
        """Forward a warning once: a lost worker is lost to all schemes."""
        del details
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def leave_out(self, name: str, error: CodedDGDError) -> None:
        """Continue without a scheme. Raise the error, with all reasons, if it was the last."""
        self.left_out[name] = error
        if len(self.left_out) == len(self.configs):
            names: dict[str, list[str]] = {}
            for each, reason in self.left_out.items():
                names.setdefault(str(reason), []).append(each)
            reasons = "; ".join(f"{', '.join(each)}: {reason}" for reason, each in names.items())
            error.args = (f"none of the schemes can be run: {reasons}",)
            raise error
        self.warning(f"{name} is left out: {error}")

    def line_up(self, transport: Transport) -> list[Contender]:
        """Prepare every scheme that exists for these sizes and data, and distribute the data."""
        setups, contenders = [], []
        for config in self.configs:
            workers = transport.workers if config.transport == "mpi" else None
            try:
                setups.append(prepare(config, workers))
            except Infeasible as error:
                self.leave_out(config.scheme, error)
        problem = setups[0].problem()
        for setup in setups:
            try:
                trainer = Trainer(setup, transport, problem, observer=self, mend=REDUNDANCY)
                contenders.append(Contender(trainer, trainer.start()))
            except Infeasible as error:
                self.leave_out(setup.scheme.name, error)
        for contender in contenders:
            contender.start = replace(contender.start, startup_time=process_age(), left_at=time())
        return contenders
