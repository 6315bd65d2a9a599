"""This module collects many runs, such as those of a job array, in a table with a row per run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from coded_dgd.errors import UsageError
from coded_dgd.runs.reading import read_config, read_summary
from coded_dgd.runs.run_folder import SUMMARY, is_run_folder
from coded_dgd.runs.summary import Distribution, Summary

Row = dict[str, Any]

COLUMNS = (
    *("run", "scheme", "workers", "blocks", "load", "delay", "data", "seed", "status"),
    *("stop_reason", "converged", "iterations", "gradient_norm_ratio"),
    *("mean", "std", "p50", "p95", "p99", "ideal", "predicted", "messages", "error"),
    *("loss", "distance_to_optimum", "decode_time", "weights_time"),
    *("startup_time", "training_time", "wall_time", "lost"),
)
"""Names of the columns of a row, in order."""
CONFIGURED = ("scheme", "workers", "blocks", "load", "delay", "data", "seed")
SUMMED_UP = tuple(each.name for each in fields(Summary) if each.name in COLUMNS)
DISTRIBUTED = tuple(each.name for each in fields(Distribution) if each.name in COLUMNS)


def collect(paths: Iterable[Path]) -> list[Row]:
    """Read the run folders at, or directly below, these paths, and return a row for each.

    The row of an unfinished run has the status ``unfinished`` and only the configuration.

    Raises
    ------
    UsageError
        If there is no run folder, or one cannot be read.
    """
    rows = [_row(folder) for path in paths for folder in _folders(path)]
    return sorted(
        rows,
        key=lambda row: (row["scheme"], row["workers"] or 0, row["load"] or 0, row["seed"]),
    )


def _folders(path: Path) -> list[Path]:
    if is_run_folder(path):
        return [path]
    try:
        found = sorted(filter(is_run_folder, path.glob("*")))
    except OSError:  # not a valid path
        found = []
    if not found:
        raise UsageError(f"{path} is no run folder, and there is none in it: name others")
    return found


def _row(folder: Path) -> Row:
    config = read_config(folder)
    row = dict.fromkeys(COLUMNS) | {"run": str(folder)}
    row |= {name: getattr(config, name) for name in CONFIGURED}
    try:
        found = read_summary(folder)
    except FileNotFoundError:
        return row | {"status": "unfinished"}
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / SUMMARY} cannot be read ({error}): leave it out") from None
    ideal, errors = found.ideal_completion_time, found.gradient_error
    return (
        row
        | {name: getattr(found, name) for name in SUMMED_UP}
        | {name: getattr(found.completion_time, name) for name in DISTRIBUTED}
        | {
            "ideal": None if ideal is None else ideal.mean,
            "predicted": found.expected_completion_time,
            "messages": found.communication_load,
            "error": None if errors is None else errors.max,
            "lost": None if found.workers_lost is None else len(found.workers_lost),
        }
    )
