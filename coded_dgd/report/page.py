"""This module writes a self-contained HTML page about runs: no network, pictures inside."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from coded_dgd.config_file import to_toml
from coded_dgd.files import writing
from coded_dgd.report import plots
from coded_dgd.report.explain import explain, headline
from coded_dgd.report.figure import can_draw
from coded_dgd.report.gantt import Chart
from coded_dgd.runs.log_file import LOG
from coded_dgd.runs.recorded import RecordedRun

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto;
       max-width: 70rem; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #ddd; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
thead th { border-bottom: 1px solid #999; }
tbody tr + tr > * { border-top: 1px solid #eee; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.text { white-space: pre-line; overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem;
            grid-auto-flow: dense; }
.pictures .wide { grid-column: 1 / -1; }
figure { margin: 0; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
pre { background: #f6f6f6; padding: .7rem; overflow-x: auto; font-size: .85rem; }
details summary { cursor: pointer; font-weight: 600; }
@media (max-width: 34rem) { .pictures { grid-template-columns: 1fr; } }
@media print { details > * { display: block; } figure { break-inside: avoid; } }
"""

SECONDS = "{:.4f}"
COLUMNS: Sequence[tuple[str, str, str]] = (
    ("completion time, mean (s)", "completion_time.mean", SECONDS),
    ("p50", "completion_time.p50", SECONDS),
    ("p95", "completion_time.p95", SECONDS),
    ("p99", "completion_time.p99", SECONDS),
    ("ideal, mean (s)", "ideal_completion_time.mean", SECONDS),
    ("expected (s)", "expected_completion_time", SECONDS),
    ("messages per iteration", "communication_load", "{:.2f}"),
    ("words to workers per iteration", "words", "{:.1f}"),
    ("results per iteration", "task_results", "{:.2f}"),
    ("wasted in all", "wasted_messages", "{}"),
    ("weights (s)", "weights_time", "{:.6f}"),
    ("decode (s)", "decode_time", "{:.6f}"),
    ("update (s)", "update_time", "{:.6f}"),
    ("error amplification, median", "error_amplification.median", "{:.2g}"),
    ("gradient error, max", "gradient_error.max", "{:.1e}"),
    ("loss", "loss", "{:.8g}"),
    ("||beta - optimum||", "distance_to_optimum", "{:.2e}"),
    ("||gradient|| / first", "gradient_norm_ratio", "{:.1e}"),
    ("accuracy", "accuracy", "{:.2%}"),
    ("held-out loss", "validation.figures.loss", "{:.8g}"),
    ("held-out accuracy", "validation.figures.accuracy", "{:.2%}"),
    ("training (s)", "training_time", "{:.2f}"),
    ("whole job (s)", "wall_time", "{:.2f}"),
)
"""Heading of a row, its key in the summary, and its number format."""


def page(runs: Sequence[RecordedRun], chart: Chart | None = None) -> str:
    """Return the HTML page about the runs.

    Parameters
    ----------
    chart : Chart, optional
        Part of a timeline to show.
    """
    names = plots.labels(runs)
    title = "coded_dgd: " + " / ".join(names)
    parts = [f"<h1>{escape(title)}</h1>"]
    for run in runs:
        parts.append(f"<h2>{escape(run.name)}</h2><p>{escape(headline(run))}</p>")
        parts.append(_pairs(explain(run)))
    parts += ["<h2>Figures</h2>", _comparison(runs, names), _pictures(runs, chart)]
    for run in runs:
        parts.append(f"<h2>How {escape(run.name)} was run</h2>")
        parts.append(_details("Configuration", to_toml(run.config)))
        if run.finished:
            parts.append(_details("Environment", _lines(run.summary.environment)))
        log = run.path / LOG
        if log.is_file():
            parts.append(_details("Log", log.read_text(encoding="utf-8", errors="replace")))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="text">{escape(text)}</td></tr>'
        for name, text in pairs
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _details(name: str, text: str) -> str:
    text = escape(text.strip())
    return f"<details open><summary>{escape(name)}</summary><pre>{text}</pre></details>"


def _lines(values: dict[str, Any]) -> str:
    return "\n".join(f"{name:<12}{value}" for name, value in values.items())


def _comparison(runs: Sequence[RecordedRun], names: Sequence[str]) -> str:
    """Return a table with a column per run; rows without any value are left out."""
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in names)
    found = [run.summary.to_json() for run in runs]
    rows = []
    for heading, where, form in COLUMNS:
        values = [_look_up(each, where) for each in found]
        if any(value is not None for value in values):
            cells = "".join(
                f'<td class="number">{"–" if value is None else form.format(value)}</td>'
                for value in values
            )
            rows.append(f'<tr><th scope="row">{escape(heading)}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _look_up(values: dict[str, Any], where: str) -> Any:
    found: Any = values
    for key in where.split("."):
        found = found.get(key) if found is not None else None
    return found


def _pictures(runs: Sequence[RecordedRun], chart: Chart | None) -> str:
    from coded_dgd.report import gantt

    if not can_draw():
        return "<p>No pictures: matplotlib was not installed where this page was made.</p>"
    shown = []
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as scratch:
        if chart is not None:
            file = Path(scratch) / "timeline.svg"
            gantt.draw(chart, [file])
            shown.append(_picture(file, "Timeline", True))
        for plot in plots.plots(runs):
            (file,) = plots.draw_all([plot], Path(scratch), ["svg"])
            shown.append(_picture(file, plot.title, len(plot.panels) > 1))
    return f'<h2>Pictures</h2><div class="pictures">{"".join(shown)}</div>'


def _picture(file: Path, title: str, wide: bool) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    place = ' class="wide"' if wide else ""
    return (
        f'<figure{place}><img alt="{escape(title)}" '
        f'src="data:image/svg+xml;base64,{data}"></figure>'
    )
