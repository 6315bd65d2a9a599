"""This module draws the plot of ``compare``: a row per scheme and a panel per figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coded_dgd.report.comparison import Description, mean
from coded_dgd.report.figure import COLOURS, MARKERS, styled
from coded_dgd.report.intervals import Interval

INCHES = (12.5, 1.9, 0.33)
"""Width of the plot, height without schemes, and height per scheme, in inches."""
PANEL_WIDTHS = (2.0, 1.3, 1.0, 1.0, 1.0)
BESIDE = 0.22
"""Vertical distance between the markers of one scheme, in rows."""
UNKNOWN = (np.nan, np.nan)
"""Stand-in for an interval that is not known."""
FEW_DECADES = 300.0
"""Ratio of the ends of a logarithmic axis up to which its ticks are 1, 2, 5, 10, ..."""


@dataclass(frozen=True)
class Markers:
    """Markers show one value per scheme; nan draws no marker."""

    values: Sequence[float]
    label: str = ""
    intervals: Sequence[Interval] | None = None


@dataclass(frozen=True)
class ComparisonPanel:
    """A comparison panel shows one figure of all schemes."""

    x_label: str
    marks: Sequence[Markers]
    scale: Literal["linear", "log"] = "linear"
    reference: float | None = None
    """Value at which a vertical line is drawn."""


def panels(description: Description) -> list[ComparisonPanel]:
    """Return the panels of the plot of a comparison."""
    results, summaries = description.results, [each.summary for each in description.results]
    speed_up = Markers(
        _values(each.speed_up.measured for each in results),
        intervals=[each.speed_up.interval or UNKNOWN for each in results],
    )
    loads = _values(each.communication_load for each in summaries)
    decoding = [1000 * (each.weights_time + each.decode_time) for each in summaries]
    found = [
        _time(description),
        ComparisonPanel(f"speed-up over {results[0].name}", [speed_up], reference=1.0),
        ComparisonPanel("messages per iteration", [Markers(loads)]),
        ComparisonPanel("decode time (ms)", [Markers(decoding)], "log"),
    ]
    errors = [each.gradient_error.max for each in summaries if each.gradient_error]
    if errors:
        found.append(ComparisonPanel("largest gradient error", [Markers(errors)], "log"))
    return found


def _time(description: Description) -> ComparisonPanel:
    """Return the panel of the time of an iteration, or to the target if there is one."""
    results, summaries = description.results, [each.summary for each in description.results]
    kind = "measured" if description.parameters["transport"] == "mpi" else "simulated"
    of_ideal = "virtual time, same delays"
    targets = [each.to_target for each in results if each.to_target]
    if targets:
        return ComparisonPanel(
            "time to the target (s)",
            [
                Markers(_values(each.seconds for each in targets), kind),
                Markers(_values(each.ideal_seconds for each in targets), of_ideal),
            ],
            "log",
        )
    measured = Markers(
        [each.completion_time.mean for each in summaries],
        f"{kind}, {description.confidence:.0%} interval",
        [each.completion_time_interval or UNKNOWN for each in results],
    )
    ideal = _values(mean(each.ideal_completion_time) for each in summaries)
    expected = _values(each.expected_completion_time for each in summaries)
    return ComparisonPanel(
        "completion time (s)",
        [measured, Markers(ideal, of_ideal), Markers(expected, "predicted")],
        "log",
    )


def _values(figures: Iterable[float | None]) -> list[float]:
    return [np.nan if figure is None else figure for figure in figures]


def draw(
    panels: Sequence[ComparisonPanel], names: Sequence[str], title: str, files: Sequence[Path]
) -> None:
    """Draw the panels side by side into `files`, whose suffixes select the formats.

    Parameters
    ----------
    names : sequence of str
        Names of the schemes, from top to bottom.
    """
    width, height, per_scheme = INCHES
    with styled((width, height + per_scheme * len(names)), title, files) as figure:
        widths = PANEL_WIDTHS[: len(panels)]
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=widths)[0]
        rows = np.arange(len(names))
        for axis, panel in zip(axes, panels, strict=True):
            _draw_panel(axis, panel, rows)
        axes[0].set_yticks(rows, names)
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        figure.legend(loc="outside lower left", ncols=3)


def _draw_panel(axes: Any, panel: ComparisonPanel, rows: NDArray[np.int64]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    for number, marks in enumerate(panel.marks):
        x = np.array(marks.values, dtype=float)
        error = None if marks.intervals is None else np.abs(np.array(marks.intervals).T - x)
        below = BESIDE * (number - (len(panel.marks) - 1) / 2)
        axes.errorbar(
            x,
            rows + below,
            xerr=error,
            linestyle="none",
            marker=MARKERS[number],
            markersize=5,
            color=COLOURS[number],
            capsize=2.5,
            label=marks.label or None,
        )
    if panel.reference is not None:
        axes.axvline(panel.reference, color=COLOURS[-1], linewidth=0.8)
    axes.set(xlabel=panel.x_label)
    if any(value > 0 for marks in panel.marks for value in marks.values):
        axes.set_xscale(panel.scale)
    if axes.get_xscale() == "linear":
        axes.set_xlim(left=0)
    elif np.divide(*axes.get_xlim()[::-1]) < FEW_DECADES:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_locator(NullLocator())
