"""This module writes the files of a figure.

They are ``NAME.csv``, ``NAME.json``, ``NAME.png``, ``NAME.svg`` and ``claims.md``, and also
``NAME-table.csv`` if the figure has a table.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from coded_dgd._version import __version__
from coded_dgd.report import figure as plots
from coded_dgd.report.figure import Floats, Panel
from coded_dgd.reproduce.base import Claim, Figure, FigureResult, Table

CLAIMS = "claims.md"


def describe(name: str, figure: Figure[Any], result: FigureResult) -> dict[str, Any]:
    """Return the object of ``NAME.json``: all plotted numbers, and the parameters behind them."""
    described = {
        "figure": name,
        "title": figure.title,
        "version": __version__,
        "seed": figure.seed,
        "quick": figure.quick,
        "parameters": figure.parameters,
        "panels": [_describe_panel(panel) for panel in result.panels],
        "claims": [describe_claim(claim) for claim in result.claims],
    }
    if table := result.table:
        described["table"] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return described


def _describe_panel(panel: Panel) -> dict[str, Any]:
    names = {"x names": [*panel.x_names]} if panel.x_names else {}
    return {
        "title": panel.title,
        "x": panel.x_label,
        **names,
        "y": panel.y_label,
        "series": [
            {
                "label": series.label,
                "x": _numbers(series.x),
                "y": _numbers(series.y),
                "standard_error": (
                    None if series.standard_error is None else _numbers(series.standard_error)
                ),
            }
            for series in panel.series
        ],
    }


def describe_claim(claim: Claim) -> dict[str, Any]:
    """Return the claim as an object for JSON."""
    return {
        "claim": claim.text,
        "where": claim.where,
        "criterion": claim.criterion,
        "holds": claim.holds,
        "quantity": claim.quantity,
        "numbers": {
            name: {
                "value": _number(number.value),
                "standard_error": (
                    None if number.standard_error is None else _number(number.standard_error)
                ),
            }
            for name, number in claim.numbers.items()
        },
        "remark": claim.remark,
    }


def _numbers(values: Floats) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | None:
    """Return None for a number that is not finite, since JSON cannot hold it."""
    return float(value) if isfinite(value) else None


def write(folder: Path, name: str, figure: Figure[Any], result: FigureResult) -> list[Path]:
    """Write the numbers and, if matplotlib is installed, the plots; return the files."""
    stem = folder / name
    table, numbers = stem.with_suffix(".csv"), stem.with_suffix(".json")
    _write_csv(table, ("panel", "series", "x", "y", "standard_error"), _plotted(result.panels))
    text = json.dumps(describe(name, figure, result), indent=1, ensure_ascii=False, allow_nan=False)
    numbers.write_text(text + "\n", encoding="utf-8")
    drawn = []
    if plots.can_draw():
        drawn = [stem.with_suffix(suffix) for suffix in (".png", ".svg")]
        title = figure.title + (" (quick: not the paper's size)" if figure.quick else "")
        plots.draw(result.panels, title, drawn)
    files = [table, numbers, *drawn]
    if result.table:
        files.insert(1, folder / f"{name}-table.csv")
        _write_csv(files[1], result.table.columns, result.table.rows)
    return files


def _plotted(panels: Iterable[Panel]) -> Iterator[tuple[str | float, ...]]:
    for panel in panels:
        for series in panel.series:
            errors = [""] * len(series.x)
            if series.standard_error is not None:
                errors = series.standard_error.tolist()
            for x, y, error in zip(series.x.tolist(), series.y.tolist(), errors, strict=True):
                yield panel.title, series.label, x, y, error


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_claims(folder: Path, done: Mapping[str, tuple[Figure[Any], FigureResult]]) -> Path:
    """Write the claims about all computed figures as Markdown."""
    path = folder / CLAIMS
    lines = [
        "# What the papers say of their figures, and what comes out",
        "",
        "A claim is undecided where the numbers decide neither for it nor against it.",
    ]
    for name, (figure, result) in done.items():
        lines += [
            "",
            f"## {name}",
            "",
            f"{figure.title}. coded-dgd {__version__}, {_say(figure)}.",
            "",
        ]
        if result.table:
            lines += [*markdown(result.table.columns, _words(result.table)), ""]
        lines += claims_table(result)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _say(figure: Figure[Any]) -> str:
    parameters = ", ".join(f"{key} {value}" for key, value in figure.parameters.items())
    quick = " With --quick, which is not the size that the claims are about" if figure.quick else ""
    return f"seed {figure.seed}, {parameters}.{quick}".removesuffix(".")


def claims_table(result: FigureResult) -> list[str]:
    """Return the lines of a Markdown table of the claims."""
    rows = []
    for claim in result.claims:
        verdict = f"**{claim.verdict}**" if claim.holds is False else claim.verdict
        remark = f". {claim.remark}" if claim.remark else ""
        rows.append(
            (
                f"{claim.text} ({claim.where})",
                claim.criterion,
                claim.found,
                f"{verdict}{remark}",
            )
        )
    return markdown(("claim", "holds if", "found", ""), rows)


def table_lines(table: Table) -> list[str]:
    """Return the lines of a table as plain text, with columns as wide as their cells."""
    rows = [[*table.columns], *_words(table)]
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return [
        "".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _words(table: Table) -> list[list[str]]:
    return [
        [
            "" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell)
            for cell in row
        ]
        for row in table.rows
    ]


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        escaped = (cell.replace("|", "\\|") for cell in cells)
        return "|" + "".join(f" {cell} |" if cell else " |" for cell in escaped)

    return [line(columns), "|---" * len(columns) + "|", *map(line, rows)]
