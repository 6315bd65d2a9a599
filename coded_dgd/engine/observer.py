"""Observers of a run, such as the progress display, run folder, logs and timeline."""

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
    step: float | None
    """First step size; None if the optimizer finds the lengths of its steps."""
    forecast: GuardForecast | None
    """Forecast of how the guard will act; None if decoding weights cannot amplify errors."""
    startup_time: float
    """Seconds since this process started."""
    left_at: float
    """Time at which the first beta_t leaves, in seconds since the Epoch."""
    cautions: list[str]
    """Reasons against using the scheme with these data."""
    kernel: str
    """How workers compute (`engine.kernels`)."""

    @property
    def stepping(self) -> str:
        """Return what to add to the name of the optimizer: its step size, if it has one."""
        return "" if self.step is None else f", step size {self.step:.3g}"


class Stop(NamedTuple):
    """How a run has ended."""

    iterations: int
    """Number of iterations done."""
    reason: str
    """``target`` if ``--stop-at`` is reached, ``patience`` if held-out rows stopped the run,
    ``callback`` if a callback did, or ``iterations`` if all iterations are done."""
    converged: bool | None
    """Whether ``--stop-at`` is reached; None if it is not set."""
    gradient_norm_ratio: float | None
    """Ratio of the last gradient norm to the first; None if there is no first one."""

    def __str__(self) -> str:
        ratio = self.gradient_norm_ratio
        found = f"stop_reason {self.reason} after {self.iterations} iterations"
        if self.converged is not None:
            found += f", converged {str(self.converged).lower()}"
        return found if ratio is None else f"{found}, gradient_norm_ratio {ratio:.3g}"


class Observer:
    """Is informed of the events of a run; every method does nothing unless overridden.

    A run is the body of a ``with`` statement over its observers. They are called on rank 0, between
    two iterations. An exception that an observer raises ends the run.
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
        """React to the end of the run; `error` is the reason if it has ended early."""

    def resumed(self, iterations: int, complaints: Sequence[str]) -> None:
        """React to the resumption after `iterations` iterations.

        `complaints` names the defects of newer checkpoints.
        """

    def distributing(self, group: WorkerGroup) -> None:
        """React to the first distribution of the data to `group`, just before it begins."""

    def start(self, start: Start) -> None:
        """React to the start of training, just before the first beta_t leaves."""

    def iteration(self, record: Iteration) -> None:
        """React to the end of an iteration."""

    def stopped(self, stop: Stop) -> None:
        """React to the end of the last iteration; not called if the run ends early."""

    def warning(self, line: str, details: str = "") -> None:
        """React to a problem that does not end the run; `details` may hold further lines."""


class Observers(Observer):
    """Several observers as one, entered and called in order, and left in reverse order."""

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
