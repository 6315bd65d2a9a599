"""This module holds a run, finished or not, as it is read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig
from coded_dgd.delays.base import SHARE, DelayModel
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.protocol import Floats
from coded_dgd.engine.setup import scheme_of
from coded_dgd.errors import CodedDGDError, DataError, UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.preparation import prepare
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.runs.summary import Summary
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory import Prediction, expected


@dataclass(frozen=True)
class StageArrivals:
    """The arrivals of one stage are what ``arrivals.npz`` holds; see `run_folder.recording`."""

    first: int
    """Number of the first iteration of the stage."""
    arrival: Floats
    """Arrival times, shape (iterations, M, J), in seconds after beta_t left; nan for no arrival.

    Those of a dynamic scheme are in the order of arrival."""
    tasks_done: NDArray[np.int64]
    """Number of tasks done when each message leaves, shape (M, J); 0 if there is no such message.
    """
    ranks: NDArray[np.int64]
    """Rank of each worker, shape (M,)."""


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run is the content of a run folder."""

    path: Path
    config: RunConfig
    summary: Summary
    log: list[Iteration]
    stages: list[StageArrivals]
    ideal: Floats | None
    """Ideal completion time of each iteration in seconds; None if no delays were injected."""
    finished: bool = True
    """Whether the run is finished; if not, `summary` has only what is known so far."""

    @property
    def name(self) -> str:
        """Name of the run folder without the path to it."""
        return self.path.name or str(self.path.resolve().name)

    def column(self, name: str) -> Floats:
        """Return one figure for all iterations; nan stands for a missing value."""
        values = [getattr(record, name) for record in self.log]
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    @cached_property
    def delay(self) -> DelayModel | None:
        """Delay model; None if no delays were injected or the trace file is missing."""
        try:
            delay = delays.create(self.config.delay, self.config.seed)
        except UsageError:
            return None
        return delay if delay.injects else None

    @cached_property
    def prediction(self) -> Prediction | None:
        """Theoretical prediction; None without a delay model or without the data that it needs."""
        if self.delay is None:
            return None
        try:
            return expected(self._scheme(), self.delay)
        except CodedDGDError:
            return None

    @cached_property
    def uncoded(self) -> Floats | None:
        """Completion times without coding on the same delays; None if no delays were injected.

        Each worker computes its own block once, and the master waits for all workers.
        """
        if self.delay is None:
            return None
        try:
            per = self.delay.per or schemes.find(self.config.scheme)[0].per
            # shares of any number of blocks are the same work
            blocks = None if per == SHARE else self.config.blocks
            scheme = schemes.create(schemes.BASELINE, self.summary.workers, blocks)
            work = scheme.work_under(self.delay)
            self.delay.check(scheme.workers, work)
        except UsageError:
            return None
        finish = self.delay.trace(len(self.log), scheme.workers, work)
        return scheme.completion_time(scheme.message_times(finish))

    def _scheme(self) -> Scheme:
        """Return the scheme of the run, fitted to the data if it depends on them."""
        config = self.config
        scheme = scheme_of(config, self.summary.workers)
        if scheme.data_dependent:
            source = open_source(config.data, config.seed, config.reading)
            objective = objectives.create(config.objective)
            prepared = prepare(source, objective, config.intercept, config.standardize)
            problem = Problem(prepared, objective)
            scheme.fit(source.rows, problem.block_norms)
            if scheme.blocks != self.summary.blocks:
                raise DataError(f"{config.data}: not the data of this run any more")
        return scheme
