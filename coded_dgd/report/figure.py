"""This module describes figures and draws all of them in one style.

Matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError

Floats = NDArray[np.float64]

INSTALL = "pip install matplotlib"
"""Command that installs what plots need."""

# Okabe and Ito's palette for colour-blind readers, with grey instead of its yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: Any = (
    "-",
    (0, (6, 2)),
    (0, (6, 2, 1, 2)),
    (0, (1, 1.5)),
    (0, (4, 1, 1, 1, 1, 1)),
    (0, (10, 3)),
    (0, (3, 1)),
    (0, (1, 3)),
)

PANEL_INCHES = (5.2, 4.6)
SIDE_BY_SIDE = 4
"""Largest number of panels in a row of a figure."""
DOTS_PER_INCH = 160
DENSE = 40
"""Number of points from which on a series is drawn with a band and few markers."""
LONG_LABEL = 27
"""Number of characters up to which the labels of a legend stand side by side."""
SHORT = 1000
"""Ratio of the ends of a logarithmic axis up to which it has plain numbers at 1, 2 and 5."""

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 8.5,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "coded_dgd",  # the same file for the same numbers
}


@dataclass(frozen=True)
class Series:
    """A series is one curve or one set of points."""

    label: str
    x: Floats
    y: Floats
    standard_error: Floats | None = None
    """Standard error of y; None if y is exact."""
    kind: Literal["both", "line", "points", "steps"] = "both"
    """Style of the series: a line with markers, a line only (a formula), points (a measurement), or
    the steps of an empirical distribution.
    """
    like: str | None = None
    """Label of an earlier series of the panel to which this one belongs. This series gets the same
    colour and marker, hollow and dashed, or dotted for a formula. If a panel has such a pair, the
    lines of all its other series are solid. Points that belong to a line have no entry of their own
    in the legend.
    """

    @property
    def are_on_a_line(self) -> bool:
        """Whether these are points that belong to a line: a measurement and its formula."""
        return self.kind == "points" and self.like is not None


@dataclass(frozen=True)
class Panel:
    """A panel is one pair of axes with its series; axis labels include the units."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    y_low: float | None = None
    """Lower end of the y axis; points below it are not drawn."""
    note: str = ""
    """Text in the lower right corner."""
    x_names: Sequence[str] = ()
    """Names of x = 0, 1, ..., which then stand at the axis instead of numbers. All panels of the
    figure then have names and the same labels of series, since they share a legend."""


def can_draw() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def require_drawing(what: str) -> None:
    """Raise an error if matplotlib is missing.

    Raises
    ------
    UsageError
        If matplotlib is missing. The message says how to install it.
    """
    if not can_draw():
        raise UsageError(f"{what} needs matplotlib, which is not installed: {INSTALL}")


def draw(panels: Sequence[Panel], title: str, files: Sequence[Path]) -> None:
    """Draw the panels in rows into `files`, whose suffixes select the formats.

    Parameters
    ----------
    title : str
        Title above all panels.
    files : sequence of Path
        Files to write, each a PNG, SVG or PDF.
    """
    width, height = PANEL_INCHES
    rows = -(-len(panels) // SIDE_BY_SIDE)
    columns = -(-len(panels) // rows)
    with styled((width * columns, height * rows), title, files) as figure:
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(places, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in places[len(panels) :]:
            axes.remove()
        if any(panel.x_names for panel in panels):
            figure.legend(
                *places[0].get_legend_handles_labels(), loc="outside lower center", ncols=6
            )


@contextmanager
def styled(inches: tuple[float, float], title: str, files: Sequence[Path]) -> Iterator[Any]:
    """Yield an empty figure in the common style, and save what is drawn on it to `files`."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=11)
        yield figure
        for file in files:
            dated = {".svg": "Date", ".pdf": "CreationDate"}.get(file.suffix)
            undated = {dated: None} if dated else None
            figure.savefig(file, dpi=DOTS_PER_INCH, metadata=undated)


def _draw_panel(axes: Any, panel: Panel) -> None:
    numbers: dict[str, int] = {}  # index of colour and marker by label
    entries: dict[str, tuple[Any, ...]] = {}  # handles of the legend by label
    paired = any(series.like and not series.are_on_a_line for series in panel.series)
    for series in panel.series:
        own = len(set(numbers.values()))
        number = own if series.like is None else numbers[series.like]
        numbers[series.label] = number
        own_dashes = "-" if paired else DASHES[number % len(DASHES)]
        dashes = _dashes_like(series) if series.like else own_dashes
        drawn = _draw_series(axes, series, number, dashes, panel.y_low)
        entry = series.like if series.like and series.are_on_a_line else series.label
        entries[entry] = (*entries.get(entry, ()), drawn)
    axes.set(
        title=panel.title,
        xlabel=panel.x_label,
        ylabel=panel.y_label,
        xscale=panel.x_scale,
        yscale=panel.y_scale,
    )
    if panel.y_low is not None:
        top = axes.get_ylim()[1]
        room = 0.05 * (top - panel.y_low) if panel.y_scale == "linear" else 0.0
        axes.set_ylim(panel.y_low, top + room)
    if panel.note:
        axes.annotate(
            panel.note, (0.98, 0.02), xycoords="axes fraction", ha="right", va="bottom", fontsize=8
        )
    for axis in (axes.xaxis, axes.yaxis):
        _label_ticks(axis)
    if panel.x_names:
        axes.set_xticks(range(len(panel.x_names)), panel.x_names, rotation=90, fontsize=8)
        return  # `draw` adds the common legend
    axes.legend(
        list(entries.values()),
        list(entries),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=2 if max(map(len, entries), default=0) <= LONG_LABEL else 1,
        handlelength=3.2,
    )


def _dashes_like(series: Series) -> str:
    """Return the dashes of a series that belongs to another one: dots for a formula."""
    return ":" if series.kind == "line" else "--"


def _label_ticks(axis: Any) -> None:
    """Add ticks at 2 and 5 to a short logarithmic axis, which has too few powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high < SHORT * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())


def _draw_series(axes: Any, series: Series, number: int, dashes: Any, y_low: float | None) -> Any:
    """Draw the series and return its handle for the legend."""
    shown = np.full(len(series.y), True) if y_low is None else series.y >= y_low
    x, y = series.x[shown], series.y[shown]
    error = None if series.standard_error is None else series.standard_error[shown]
    dense = len(x) >= DENSE
    colour = COLOURS[number % len(COLOURS)]
    nested = max(0, 4 - number)  # markers of equal curves enclose one another
    crowded = dense and series.kind == "points"
    style: dict[str, Any] = {
        "color": colour,
        "markersize": (2.0 + 0.6 * nested) if crowded else (4.5 + 0.8 * nested),
        "linestyle": "none" if series.kind == "points" else dashes,
        "marker": "none" if series.kind in ("line", "steps") else MARKERS[number % len(MARKERS)],
        "markerfacecolor": "white" if series.like else colour,
        "label": series.label,
    }
    if series.kind == "steps":
        style["drawstyle"] = "steps-post"
    if dense and series.kind == "both":  # the series' markers interleave
        every = len(x) // 8
        shift = number + (0.5 if series.like else 0)
        style["markevery"] = (int(shift * every / len(MARKERS)), every)
    if error is not None and not dense:
        return axes.errorbar(x, y, error, capsize=2.5, **style)
    if error is not None:
        axes.fill_between(x, y - error, y + error, color=colour, alpha=0.2, linewidth=0)
    return axes.plot(x, y, **style)[0]
