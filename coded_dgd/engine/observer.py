"""What a run informs: progress, run folder, logs and timeline are observers of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.iteration import Iteration
from coded_dgd.problems.problem import Problem
from coded_dgd.theory.predictor import GuardForecast


@dataclass
class Start:
    """What is known when the first beta_t leaves."""

    problem: Problem
    step: float
    forecast: GuardForecast | None
    """What the guard will do; None where decode weights cannot amplify errors."""
    startup_time: float
    """Seconds since this process started."""
    left_at: float
    """Now, in seconds since the Epoch."""
    cautions: list[str]
    """What speaks against the scheme for these data."""
    kernel: str
    """How workers compute (`engine.kernels`)."""


class Stop(NamedTuple):
    """How a run has come to its end."""

    iterations: int
    """Those done."""
    reason: str
    """``target`` where ``--stop-at`` is reached, ``iterations`` where all are done."""
    converged: bool | None
    """Whether ``--stop-at`` is reached; None without it."""
    gradient_norm_ratio: float | None
    """The last ||gradient|| over the first; None where there is no first one."""

    def __str__(self) -> str:
        ratio = self.gradient_norm_ratio
        found = f"stop_reason {self.reason} after {self.iterations} iterations"
        if self.converged is not None:
            found += f", converged {str(self.converged).lower()}"
        return found if ratio is None else f"{found}, gradient_norm_ratio {ratio:.3g}"


class Observer:
    """Is informed of the events of a run; every method does nothing unless it is overridden.

    A run is the body of a ``with`` statement over its observers. They are called on rank 0, between
    two iterations, and what they raise ends the run.
    """

    def __enter__(self) -> Observer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(error)

    def end(self, error: BaseException | None) -> None:
        """The run has ended, by `error` where it has ended early."""

    def resumed(self, iterations: int, complaints: Sequence[str]) -> None:
        """The run goes on after so many iterations; newer checkpoints have these defects."""

    def distributing(self, group: WorkerGroup) -> None:
        """Data are about to be handed out to the workers of `group`, for the first time."""

    def start(self, start: Start) -> None:
        """The first beta_t is about to leave."""

    def iteration(self, record: Iteration) -> None:
        """An iteration has ended."""

    def stopped(self, stop: Stop) -> None:
        """The last iteration is done; not where the run ends early."""

    def warning(self, line: str, details: str = "") -> None:
        """Something is wrong that does not end the run; `details` may have further lines."""


class Observers(Observer):
    """Several observers as one: entered and called in order, left in reverse order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self._entered = ExitStack()

    def __enter__(self) -> Observer:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer)
            self._entered = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._entered.__exit__(kind, error, trace)

    def resumed(self, iterations: int, complaints: Sequence[str]) -> None:
        for observer in self._observers:
            observer.resumed(iterations, complaints)

    def distributing(self, group: WorkerGroup) -> None:
        for observer in self._observers:
            observer.distributing(group)

    def start(self, start: Start) -> None:
        for observer in self._observers:
            observer.start(start)

    def iteration(self, record: Iteration) -> None:
        for observer in self._observers:
            observer.iteration(record)

    def stopped(self, stop: Stop) -> None:
        for observer in self._observers:
            observer.stopped(stop)

    def warning(self, line: str, details: str = "") -> None:
        for observer in self._observers:
            observer.warning(line, details)
