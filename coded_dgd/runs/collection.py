"""Many runs in one table: what a job array leaves behind."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.runs.reading import read_config
from coded_dgd.runs.run_folder import SUMMARY, is_run_folder

Row = dict[str, Any]

COLUMNS = {
    "run": "",
    "scheme": "",
    "workers": "d",
    "load": "d",
    "seed": "d",
    "status": "",
    "iterations": "d",
    "mean": ".4f",
    "p95": ".4f",
    "ideal": ".4f",
    "predicted": ".4f",
    "messages": ".1f",
    "error": ".0e",
    "loss": ".6g",
    "lost": "d",
}
"""Columns of the text, and how they are written; the CSV has more."""


def collect(paths: Iterable[Path]) -> list[Row]:
    """Read the run folders at, or directly below, these paths; a row for each.

    A run that is not finished has the status ``unfinished`` and nothing but its configuration.

    Raises
    ------
    UsageError
        If there is none, or one cannot be read.
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
    except OSError:  # no path at all
        found = []
    if not found:
        raise UsageError(f"{path} is no run folder, and there is none in it: name others")
    return found


def _row(folder: Path) -> Row:
    config = read_config(folder)
    try:
        with (folder / SUMMARY).open(encoding="utf-8") as file:
            summary = json.load(file)
    except FileNotFoundError:
        return _columns(folder, config, {"status": "unfinished"})
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / SUMMARY} cannot be read ({error}): leave it out") from None
    return _columns(folder, config, summary)


def _columns(folder: Path, config: RunConfig, summary: Row) -> Row:
    measured = summary.get("completion_time") or {}
    ideal = summary.get("ideal_completion_time") or {}
    error = summary.get("gradient_error") or {}
    lost = summary.get("workers_lost")
    same = ["loss", "distance_to_optimum", "decode_time", "weights_time"]
    same += ["startup_time", "training_time", "wall_time"]
    return {
        "run": str(folder),
        "scheme": summary.get("scheme", config.scheme),
        "workers": summary.get("workers", config.workers),
        "blocks": summary.get("blocks", config.blocks),
        "load": summary.get("load", config.load),
        "delay": config.delay,
        "data": config.data,
        "seed": config.seed,
        "status": summary["status"],
        "stop_reason": summary.get("stop_reason"),
        "converged": summary.get("converged"),
        "iterations": summary.get("iterations"),
        "gradient_norm_ratio": summary.get("gradient_norm_ratio"),
        **{name: measured.get(name) for name in ("mean", "std", "p50", "p95", "p99")},
        "ideal": ideal.get("mean"),
        "predicted": summary.get("expected_completion_time"),
        "messages": summary.get("communication_load"),
        "error": error.get("max"),
        **{name: summary.get(name) for name in same},
        "lost": None if lost is None else len(lost),
    }


def write_csv(rows: Sequence[Row], file: TextIO) -> None:
    """Write all columns; times in seconds."""
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)


def format_table(rows: Sequence[Row]) -> str:
    """Format what a person wants to see; times in seconds per iteration."""
    cells = [list(COLUMNS)] + [
        ["-" if row[name] is None else format(row[name], how) for name, how in COLUMNS.items()]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = [how == "" for how in COLUMNS.values()]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(line, widths, text, strict=True)
        ).rstrip()
        for line in cells
    )
