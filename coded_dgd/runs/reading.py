"""This module reads run folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from coded_dgd.config import RunConfig
from coded_dgd.config_file import read_toml
from coded_dgd.delays.trace import in_order
from coded_dgd.errors import UsageError, one_line
from coded_dgd.runs.recorded import RecordedRun, StageArrivals
from coded_dgd.runs.run_folder import (
    CONFIG,
    IDEAL,
    ITERATIONS,
    SUMMARY,
    is_run_folder,
    read_log,
    stage_number,
)
from coded_dgd.runs.summary import Summary
from coded_dgd.runs.unfinished import read_unfinished


def read_run(path: Path) -> RecordedRun:
    """Read a run folder.

    Raises
    ------
    UsageError
        If it is no run folder, no iteration is done, or a file in it cannot be read.
    """
    config = read_config(path)
    if not (path / SUMMARY).is_file():
        return read_unfinished(path, config)
    try:
        summary = read_summary(path)
        log = read_log(path, summary.iterations)
        stages = [_read_stage(each) for each in _stage_files(path)]
        ideal = np.load(path / IDEAL) if (path / IDEAL).is_file() else None
    except Exception as error:  # json, numpy and zipfile raise many types
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
    return RecordedRun(path, config, summary, log, stages, ideal)


def read_summary(path: Path) -> Summary:
    """Read the summary of a run folder.

    Raises
    ------
    OSError
        If the file is missing, which is so for a run that is not finished.
    ValueError
        If the file is damaged.
    """
    values = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    try:
        return Summary.from_json(values)
    except ValueError as error:
        raise ValueError(f"{SUMMARY} is damaged") from error


def read_config(path: Path) -> RunConfig:
    """Read the configuration of a run folder.

    Raises
    ------
    UsageError
        If it is no run folder.
    """
    if not is_run_folder(path):
        raise UsageError(
            f"{path} is no run folder ({CONFIG} or {ITERATIONS} is missing): name one, "
            "such as coded-dgd run prints"
        )
    return RunConfig(**read_toml(path / CONFIG))


def _stage_files(path: Path) -> list[Path]:
    return sorted(path.glob("arrivals*.npz"), key=stage_number)


def _read_stage(path: Path) -> StageArrivals:
    with np.load(path, allow_pickle=False) as archive:
        arrival, done = archive["arrival"], archive["tasks_done"]
        if archive.get("dynamic"):
            arrival = in_order(arrival)
        ranks = archive["ranks"] if "ranks" in archive else np.arange(1, len(done) + 1)
    return StageArrivals(0, arrival, done, ranks)
