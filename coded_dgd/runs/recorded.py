"""A run as its folder tells of it, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig
from coded_dgd.delays.base import DelayModel
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.protocol import Floats
from coded_dgd.engine.setup import scheme_of
from coded_dgd.errors import CodedDGDError, DataError, UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.runs.summary import Summary
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory import Prediction, predict

REALISATIONS = 10_000
"""Of Monte Carlo, where there is no closed form."""


@dataclass(frozen=True)
class StageArrivals:
    """What ``arrivals.npz`` holds: a stage of the run, see `run_folder.recording`."""

    first: int
    """Number of its first iteration."""
    arrival: Floats
    """(iterations, M, J) seconds after beta_t left, nan where nothing came."""
    tasks_done: NDArray[np.int64]
    """(M, J), 0 where there is no message."""
    ranks: NDArray[np.int64]
    """(M,)"""


@dataclass(frozen=True)
class RecordedRun:
    """A run folder, read."""

    path: Path
    config: RunConfig
    summary: Summary
    log: list[Iteration]
    stages: list[StageArrivals]
    ideal: Floats | None
    """Ideal completion time of each iteration; None where nothing was injected."""
    finished: bool = True
    """If not, `summary` has only what is known by then."""

    @property
    def name(self) -> str:
        """As the user calls it."""
        return self.path.name or str(self.path.resolve().name)

    def column(self, name: str) -> Floats:
        """One figure of all iterations; nan where there is none."""
        values = [getattr(record, name) for record in self.log]
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    @cached_property
    def delay(self) -> DelayModel | None:
        """The delay model; None where nothing was injected or its trace is not here."""
        try:
            delay = delays.create(self.config.delay, self.config.seed)
        except UsageError:
            return None
        return delay if delay.injects else None

    @cached_property
    def prediction(self) -> Prediction | None:
        """What theory expects; None where there is no model, or data that it needs are gone."""
        if self.delay is None:
            return None
        try:
            scheme = self._scheme()
            found = predict(scheme, self.delay, realisations=REALISATIONS)
        except CodedDGDError:
            return None
        return found if np.isfinite(found.mean) else None

    @cached_property
    def uncoded(self) -> Floats | None:
        """Completion times without coding on the same delays; None where nothing was injected.

        Each worker computes its own share, once, and the master waits for all.
        """
        if self.delay is None:
            return None
        try:
            scheme = schemes.create(schemes.BASELINE, self.summary.workers, self.config.blocks)
            self.delay.check(scheme.workers, scheme.work)
        except UsageError:
            return None
        finish = self.delay.trace(len(self.log), scheme.workers, scheme.work)
        return scheme.completion_time(scheme.message_times(finish))

    def _scheme(self) -> Scheme:
        """The scheme of the run, fitted to the data if it is one that has to be."""
        config = self.config
        scheme = scheme_of(config, self.summary.workers)
        if scheme.data_dependent:
            source = open_source(config.data, config.seed, config.reading)
            problem = Problem(source, objectives.create("least-squares"))
            scheme.fit(source.rows, problem.block_norms)
            if scheme.blocks != self.summary.blocks:
                raise DataError(f"{config.data}: not the data of this run any more")
        return scheme
