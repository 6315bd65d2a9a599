"""This module writes the table of many runs, as text and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TextIO

from coded_dgd.report.columns import number
from coded_dgd.runs.collection import Row

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
"""Columns of the text table and their format specifications; the CSV file has more columns."""


def write_csv(rows: Sequence[Row], file: TextIO) -> None:
    """Write all columns of `rows` as CSV; times are in seconds."""
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)


def format_table(rows: Sequence[Row]) -> str:
    """Format the main columns of `rows` as text; times are in seconds per iteration."""
    cells = [list(COLUMNS)] + [
        [number(row[name], how) for name, how in COLUMNS.items()] for row in rows
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
