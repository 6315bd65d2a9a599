"""This module turns the numbers of runs into the panels that ``coded-dgd plot`` draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.engine.protocol import Floats
from coded_dgd.report import metrics
from coded_dgd.report.figure import Panel, Series, draw
from coded_dgd.report.pace import latest_paces
from coded_dgd.runs.recorded import RecordedRun

POINTS = 1000
"""Maximum number of points of a curve; a longer curve is thinned evenly."""
EDGE = 1.2
"""Position of workers that sent no message, in units of the slowest of the others."""
WIDE = 5
"""Ratio of the slowest to the median from which on paces are drawn on a logarithmic axis."""


class Plot(NamedTuple):
    """A plot is a figure together with the stem of its file name."""

    name: str
    title: str
    panels: list[Panel]


def plots(runs: Sequence[RecordedRun]) -> list[Plot]:
    """Return all figures of these runs."""
    found = [_convergence(runs)]
    if all(np.isfinite(run.column("loss")).all() for run in runs):
        found.insert(0, _loss(runs))
    if any(_validated(run).any() for run in runs):
        found.append(_held_out(runs))
    found += [_completion(runs), _workers(runs), _messages(runs), _amplification(runs)]
    return [plot for plot in found if plot.panels]


def draw_all(found: Sequence[Plot], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draw every figure into ``folder/NAME.FORMAT`` and return the files."""
    written = []
    for plot in found:
        files = [folder / f"{plot.name}.{each}" for each in formats]
        draw(plot.panels, plot.title, files)
        written += files
    return written


def labels(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a label for each run: scheme and load, and the folder if these are not unique."""
    short = [
        f"{run.summary.scheme}, r = {run.summary.load}"
        + ("" if run.finished else f" ({len(run.log)} iterations so far)")
        for run in runs
    ]
    if len(set(short)) == len(short):
        return short
    return [f"{name} ({run.name})" for name, run in zip(short, runs, strict=True)]


def elapsed(run: RecordedRun) -> Floats:
    """Return the seconds from the first beta_t to each update, without checks and checkpoints.

    In virtual time decoding and updating take no time.
    """
    parts = ["completion_time"]
    if run.config.transport == "mpi":
        parts += ["weights_time", "decode_time", "update_time"]
    total: Floats = np.cumsum(np.sum([run.column(part) for part in parts], axis=0))
    return total


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return evenly spaced points of a curve, among them the last."""
    step = max(1, ceil(len(x) / POINTS))
    return x[::-1][::step][::-1], y[::-1][::step][::-1]


def _against_both(
    runs: Sequence[RecordedRun], y_label: str, value: Callable[[RecordedRun], Floats]
) -> list[Panel]:
    """Return one quantity against iterations and against time."""
    against_iteration, against_time = [], []
    for label, run in zip(labels(runs), runs, strict=True):
        y = value(run)
        against_iteration.append(Series(label, *_thinned(run.column("iteration"), y)))
        against_time.append(Series(label, *_thinned(elapsed(run), y)))
    clock = {run.config.transport for run in runs}
    time = "virtual" if clock == {"simulated"} else "wall-clock"
    return [
        Panel("against iterations", "iteration", y_label, against_iteration, y_scale="log"),
        Panel("against time", f"{time} time of training (s)", y_label, against_time, y_scale="log"),
    ]


def _convergence(runs: Sequence[RecordedRun]) -> Plot:
    def relative(run: RecordedRun) -> Floats:
        norm = run.column("gradient_norm")
        relative: Floats = norm / (norm[0] or 1.0)
        return relative

    panels = _against_both(runs, "||gradient|| / ||first gradient||", relative)
    return Plot("convergence", "Convergence", panels)


def _loss(runs: Sequence[RecordedRun]) -> Plot:
    return Plot("loss", "Loss", _against_both(runs, "loss", lambda run: run.column("loss")))


def _validated(run: RecordedRun) -> NDArray[np.bool_]:
    """Return whether each iteration has figures on held-out rows."""
    return np.array([record.validation is not None for record in run.log])


def _held_out(runs: Sequence[RecordedRun]) -> Plot:
    """Plot each figure on held-out rows against iterations, with a panel per figure."""
    series: dict[str, list[Series]] = {}
    for label, run in zip(labels(runs), runs, strict=True):
        known = [record for record in run.log if record.validation]
        number = np.array([record.iteration for record in known], float)
        for name in known[0].validation or {} if known else {}:
            values = np.array([(each.validation or {}).get(name, np.nan) for each in known])
            series.setdefault(name, []).append(Series(label, *_thinned(number, values)))
    panels = [
        Panel("", "iteration", f"held-out {metrics.title(name)}", found)
        for name, found in series.items()
    ]
    return Plot("validation", "Held-out rows", panels)


def _completion(runs: Sequence[RecordedRun]) -> Plot:
    """Plot the distribution of the completion time: measured, ideal and expected."""
    series = []
    for label, run in zip(labels(runs), runs, strict=True):
        measured = np.sort(run.column("completion_time"))
        share = np.arange(1, len(measured) + 1) / len(measured)
        name = f"{label}: measured"
        series.append(Series(name, *_thinned(measured, share), None, "steps"))
        if run.ideal is not None:
            ideal = _thinned(np.sort(run.ideal), share)
            series.append(Series(f"{label}: ideal", *ideal, None, "steps", name))
        if run.prediction is not None:
            t = np.linspace(0, measured[-1] * 1.05, 200)
            p = np.array([run.prediction.cdf(each) for each in t.tolist()])
            how = "closed form" if run.prediction.method == "exact" else "Monte Carlo"
            series.append(Series(f"{label}: {how}", t, p, kind="line", like=name))
    panel = Panel("", "completion time of an iteration (s)", "share of iterations", series)
    return Plot("completion", "Completion time", [panel])


def _workers(runs: Sequence[RecordedRun]) -> Plot:
    """Plot the seconds per task of each worker, with a panel per run that has recorded arrivals."""
    panels = []
    for label, run in zip(labels(runs), runs, strict=True):
        found = latest_paces(run)
        if not found:
            continue
        ranks = np.array([pace.rank for pace in found], dtype=float)
        seconds = np.array([pace.seconds for pace in found])
        median = float(np.median(seconds))
        slow = np.array([pace.slow for pace in found], dtype=bool)
        series = [
            Series("worker", ranks[~slow], seconds[~slow], kind="points"),
            Series("median", ranks, np.full(len(ranks), median), kind="line"),
        ]
        never, most = np.isinf(seconds), seconds[np.isfinite(seconds)].max(initial=0.0)
        if (slow & ~never).any():
            shown = slow & ~never
            series.append(Series("slow throughout", ranks[shown], seconds[shown], kind="points"))
        if never.any():
            edge = np.full(never.sum(), EDGE * most)
            series.append(Series("nothing came (at the edge)", ranks[never], edge, kind="points"))
        wide = most > WIDE * median
        panels.append(
            Panel(
                label,
                "rank",
                "seconds of work per finished task",
                series,
                y_scale="log" if wide else "linear",
                y_low=None if wide else 0.0,
            )
        )
    return Plot("workers", "Speed of the workers", panels)


def _messages(runs: Sequence[RecordedRun]) -> Plot:
    """Plot the cumulative numbers of used and wasted messages."""
    series = []
    for label, run in zip(labels(runs), runs, strict=True):
        number, name = run.column("iteration"), f"{label}: used"
        used, wasted = (
            _thinned(number, np.cumsum(run.column(each)))
            for each in ("messages_used", "wasted_messages")
        )
        series += [Series(name, *used), Series(f"{label}: wasted", *wasted, like=name)]
    panel = Panel("", "iteration", "messages so far", series, y_low=0.0)
    return Plot("messages", "Messages that reached the master", [panel])


def _amplification(runs: Sequence[RecordedRun]) -> Plot:
    series = []
    for label, run in zip(labels(runs), runs, strict=True):
        number, value = _thinned(run.column("iteration"), run.column("error_amplification"))
        series.append(Series(label, number, value, kind="points"))
    guards = {run.config.guard for run in runs}
    length = max(len(run.log) for run in runs)
    series += [
        Series(f"guard {guard:g}", np.array([0.0, length - 1]), np.full(2, guard), kind="line")
        for guard in sorted(guards)
        if any(run.column("error_amplification").max() > 1e-3 * guard for run in runs)
    ]
    panel = Panel("", "iteration", "error amplification", series, y_scale="log")
    return Plot("amplification", "Error amplification of the decode", [panel])
