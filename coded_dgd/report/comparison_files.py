"""This module writes the JSON and CSV files of a comparison; its plot is drawn elsewhere."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coded_dgd.engine.comparison import Comparison
from coded_dgd.files import writing


def write(folder: Path, description: dict[str, Any], comparison: Comparison) -> None:
    """Write ``comparison.json``, and CSV rows of contenders and of their iterations.

    Raises
    ------
    StorageError
        If the disk is full or fails.
    """
    text = json.dumps(description, indent=1) + "\n"
    with writing(folder):
        (folder / "comparison.json").write_text(text, encoding="utf-8")
        _write_csv(folder / "schemes.csv", [_flat(result) for result in description["results"]])
        _write_csv(folder / "iterations.csv", _iterations(comparison))


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a result in one dict; nested ones get the key ``object.figure``."""
    row: dict[str, Any] = {}
    for key, value in result.items():
        if isinstance(value, dict):
            row.update({f"{key}.{name}": each for name, each in value.items()})
        else:
            row[key] = value
    for key in ("completion_time_interval", "speed_up.interval"):
        row[f"{key}.low"], row[f"{key}.high"] = row.pop(key) or (None, None)
    return row


def _iterations(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a row for each contender and iteration, in the order in which they were run."""
    rows = []
    for iteration, turn in enumerate(comparison.turns):
        for position, name in enumerate(turn):
            if name in comparison.outcomes:
                outcome = comparison.outcomes[name]
                ideal = None if outcome.ideal is None else float(outcome.ideal[iteration])
                row = {"iteration": iteration, "position": position, "scheme": name}
                rows.append(row | {"ideal_completion_time": ideal} | asdict(outcome.log[iteration]))
    return rows


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV; a row may lack some of the columns."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
