"""Reading run folders that are finished."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig, read_toml
from coded_dgd.delays.base import DelayModel
from coded_dgd.engine.master import Iteration
from coded_dgd.engine.protocol import Floats
from coded_dgd.errors import CodedDGDError, UsageError
from coded_dgd.kinds import misfit
from coded_dgd.problems.sources.base import one_line
from coded_dgd.report.run_folder import (
    CONFIG,
    IDEAL,
    ITERATIONS,
    SUMMARY,
    is_run_folder,
    read_log,
    stage_number,
)
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory import Prediction, predict

REALISATIONS = 10_000
"""Of Monte Carlo, where there is no closed form."""


@dataclass(frozen=True)
class Arrivals:
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
class FinishedRun:
    """A run folder, read."""

    path: Path
    config: RunConfig
    summary: dict[str, Any]
    log: list[Iteration]
    stages: list[Arrivals]
    """The first are missing where another process stopped in them and had another plan."""
    ideal: Floats | None
    """Ideal completion time of each iteration; None where nothing was injected."""

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
        """What theory expects; None where there is no model, or the scheme was fitted to data."""
        if self.delay is None:
            return None
        try:
            scheme = self._scheme()
            if scheme.data_dependent:
                return None
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
            scheme = schemes.create("uncoded", self.summary["workers"], self.config.blocks)
            self.delay.check(scheme.workers, scheme.work)
        except UsageError:
            return None
        finish = self.delay.trace(len(self.log), scheme.workers, scheme.work)
        return scheme.completion_time(scheme.message_times(finish))

    def _scheme(self) -> Scheme:
        config = self.config
        return schemes.create(
            config.scheme,
            self.summary["workers"],
            config.blocks,
            config.load,
            seed=config.seed,
            **config.scheme_options,
        )


def read_run(path: Path) -> FinishedRun:
    """Read a run folder.

    Raises
    ------
    UsageError
        If there is none, or the run is not finished, or something in it cannot be read.
    """
    config = read_config(path)
    if not (path / SUMMARY).is_file():
        raise UsageError(
            f"{path}: this run is not finished ({SUMMARY} is missing): "
            f"coded-dgd watch {path} follows it, coded-dgd run --resume {path} goes on with it"
        )
    try:
        summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
        _check(summary)
        log = read_log(path, summary["iterations"])
        stages = [_read_stage(each) for each in _stage_files(path)]
        ideal = np.load(path / IDEAL) if (path / IDEAL).is_file() else None
    except Exception as error:  # whatever json, numpy and zipfile raise on damage
        raise UsageError(
            f"{path} cannot be read ({one_line(error)}): name another run folder"
        ) from None
    if not log or not stages:
        missing = "arrivals.npz" if log else ITERATIONS
        raise UsageError(f"{path} cannot be read ({missing} is damaged): name another run folder")
    first = len(log) - sum(len(stage.arrival) for stage in stages)
    if first < 0:
        raise UsageError(f"{path} cannot be read (arrivals are damaged): name another run folder")
    for number, stage in enumerate(stages):
        stages[number] = replace(stage, first=first)
        first += len(stage.arrival)
    return FinishedRun(path, config, summary, log, stages, ideal)


class _Summary(NamedTuple):
    """Plain values of a summary that are told of."""

    scheme: str
    workers: int
    blocks: int
    load: int
    iterations: int
    status: str
    wasted_messages: int
    expected_completion_time: float | None
    wall_time: float


class _Loss(NamedTuple):
    rank: int
    host: str | None
    iteration: int
    cause: str | None


class _Times(NamedTuple):
    mean: float
    std: float
    p50: float
    p95: float
    p99: float


def _check(summary: dict[str, Any]) -> None:
    """Raise ValueError where the summary is not as `summary.summarize` makes it."""
    parts: list[tuple[dict[str, Any], type]] = [(summary, _Summary)]
    parts.append((summary["completion_time"], _Times))
    if summary["ideal_completion_time"] is not None:
        parts.append((summary["ideal_completion_time"], _Times))
    parts += [(loss, _Loss) for loss in summary["losses"]]
    fit = [misfit({key: part[key] for key in kind.__annotations__}, kind) for part, kind in parts]
    if any(fit) or not all(
        isinstance(summary[name], kind)
        for name, kind in (("warnings", list), ("hosts", dict), ("environment", dict))
    ):
        raise ValueError(f"{SUMMARY} is damaged")
    "".join(summary["warnings"])


def read_config(path: Path) -> RunConfig:
    """Read the configuration of a run folder.

    Raises
    ------
    UsageError
        If there is no run in it.
    """
    if not is_run_folder(path):
        raise UsageError(
            f"{path} is no run folder ({CONFIG} or {ITERATIONS} is missing): name one, "
            "such as coded-dgd run prints"
        )
    return RunConfig(**read_toml(path / CONFIG))


def _stage_files(path: Path) -> list[Path]:
    return sorted(path.glob("arrivals*.npz"), key=stage_number)


def _read_stage(path: Path) -> Arrivals:
    with np.load(path, allow_pickle=False) as archive:
        arrival, done = archive["arrival"], archive["tasks_done"]
        ranks = archive["ranks"] if "ranks" in archive else np.arange(1, len(done) + 1)
    return Arrivals(0, arrival, done, ranks)
