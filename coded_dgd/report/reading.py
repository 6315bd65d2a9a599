"""Reading run folders."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from coded_dgd.config import RunConfig, read_toml
from coded_dgd.errors import UsageError
from coded_dgd.report.recorded import Arrivals, RecordedRun
from coded_dgd.report.run_folder import CONFIG, IDEAL, ITERATIONS, SUMMARY, read_log
from coded_dgd.report.unfinished import read_unfinished


def read_run(path: Path) -> RecordedRun:
    """Read a run folder.

    Raises
    ------
    UsageError
        If there is none, or no iteration is done, or something in it cannot be read.
    """
    config = read_config(path)
    if not (path / SUMMARY).is_file():
        return read_unfinished(path, config)
    try:
        summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
        log = read_log(path, summary["iterations"])
        stages = [_read_stage(each) for each in _stage_files(path)]
        ideal = np.load(path / IDEAL) if (path / IDEAL).is_file() else None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read ({error}): name another run folder") from None
    if not log or not stages:
        missing = "arrivals.npz" if log else ITERATIONS
        raise UsageError(f"{path} cannot be read ({missing} is damaged): name another run folder")
    first = 0
    for number, stage in enumerate(stages):
        stages[number] = replace(stage, first=first)
        first += len(stage.arrival)
    return RecordedRun(path, config, summary, log, stages, ideal)


def read_config(path: Path) -> RunConfig:
    """Read the configuration of a run folder.

    Raises
    ------
    UsageError
        If there is no run in it.
    """
    if not (path / CONFIG).is_file() or not (path / ITERATIONS).is_file():
        raise UsageError(
            f"{path} is no run folder ({CONFIG} or {ITERATIONS} is missing): name one, "
            "such as coded-dgd run prints"
        )
    return RunConfig(**read_toml(path / CONFIG))


def _stage_files(path: Path) -> list[Path]:
    later = path.glob("arrivals-*.npz")
    return [
        path / "arrivals.npz",
        *sorted(later, key=lambda file: int(file.stem.partition("-")[2])),
    ]


def _read_stage(path: Path) -> Arrivals:
    with np.load(path, allow_pickle=False) as archive:
        arrival, done = archive["arrival"], archive["tasks_done"]
        ranks = archive["ranks"] if "ranks" in archive else np.arange(1, len(done) + 1)
    return Arrivals(0, arrival, done, ranks)
