"""This module says in words, in JSON and in a picture what a trace looks like."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.report.figure import Panel, Series, draw
from coded_dgd.schemes import BASELINE
from coded_dgd.traces.baselines import LASTING, MILD, RARE, WINDOW
from coded_dgd.traces.describing import StragglerSpread, TraceDescription, autocorrelation

WIDTH = 22
"""Width of the names in characters."""
KINDS = {
    RARE: "rare, heavy stragglers that cannot be predicted: exact codes and spare copies pay",
    LASTING: "lasting differences in speed: shares by speed suffice, without redundancy",
    MILD: "mild random variation: do not code; workers that take over fine blocks of others save "
    "less than a perfect split, and approximate gradients may save more",
    None: "not known, as stragglers were cancelled: describe a run without coding, which "
    "cancels none",
}
"""What to do about each kind of cluster."""
GROWTH = {
    "additive": "delays add to the time of tasks",
    "multiplicative": "delays multiply the time of tasks",
    "mixed": "delays add in part, and multiply in part",
    None: "whether delays add or multiply is not known, as the slowest worker is not behind, or "
    "further tasks take next to no time",
}
CANCELLED = "they count as ending with the last other one, which is a lower limit"
LAWS = 3
"""Number of fitted laws that the text has."""
POINTS = 1000
"""Maximum number of points of a curve."""
LONGEST_LAG = 50


def format_text(found: TraceDescription, relative: bool) -> str:
    """Format a description; `relative` times have no unit."""
    unit = "" if relative else " s"
    base = found.baselines
    each = "one duration each" if found.tasks is None else f"{found.tasks} finish times each"
    lines = [
        _item("trace", f"{found.iterations} iterations of {found.workers} workers, {each}"),
    ]
    if found.cancelled:
        lines.append(_item("cancelled", f"{found.never:.1%} of the first tasks; {CANCELLED}"))
    elif found.never:
        lines.append(_item("never ends", f"{found.never:.1%} of the first tasks"))
    if found.spread:
        lines.append(_item("slowest / median", _spread(found.spread)))
    lines += [
        _item("autocorrelation", _autocorrelation(found)),
        _item("lasting differences", _lasting(found)),
        _item("growth with work", _growth(found, unit)),
    ]
    for number, law in enumerate(found.fits[:LAWS]):
        name = "nearest law" if number == 0 else "next law"
        lines.append(_item(name, f"{law.text} (distance {law.distance:.3f})"))
    lines += [
        _item(BASELINE, f"{_time(base.uncoded, unit)} per iteration, {_whole(found, unit)}"),
        _item("shares by speed", f"{_time(base.by_speed, unit)}, of the last {WINDOW} iterations"),
        _item("perfect split", f"{_time(base.perfect, unit)}, the least that exact schemes take"),
        _item("kind", KINDS[found.kind]),
        _item("", _criterion(found)),
    ]
    return "\n".join(lines)


def to_json(found: TraceDescription, relative: bool) -> dict[str, Any]:
    """Return the description for JSON, with None for a number that is not finite."""
    base, growth = found.baselines, found.growth
    values: dict[str, Any] = {
        "iterations": found.iterations,
        "workers": found.workers,
        "tasks": found.tasks,
        "relative": relative,
        "never": found.never,
        "cancelled": found.cancelled,
        "spread": found.spread and asdict(found.spread),
        "autocorrelation": {str(lag): value for lag, value in found.autocorrelation.items()},
        "slowest_to_fastest": found.slowest_to_fastest,
        "lasting": found.lasting,
        "growth": growth and {**asdict(growth), "delays": growth.kind},
        "fits": [
            {"delay": law.text, "name": law.name, "distance": law.distance} for law in found.fits
        ],
        "iteration_time": asdict(base),
        "slowdown": base.slowdown,
        "kind": found.kind,
    }
    finite: dict[str, Any] = _finite(values)
    return finite


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def panels(times: Floats, relative: bool) -> list[Panel]:
    """Return the panels of a picture: durations, iterations, and correlation in time."""
    first = times if times.ndim == 2 else times[..., 0]
    time = "relative time of a task" if relative else "time of a task (s)"
    ends = np.sort(first[np.isfinite(first)])
    part = np.arange(1, len(ends) + 1) / first.size
    step = max(1, len(ends) // POINTS)
    medians = np.sort(np.median(first, axis=0))
    medians = medians[np.isfinite(medians)]
    distribution = [
        Series("all tasks", ends[::step], part[::step], kind="steps"),
        Series(
            "median of each worker",
            medians,
            np.arange(1, len(medians) + 1) / first.shape[1],
            kind="points",
        ),
    ]
    stride = max(1, len(first) // POINTS)
    iteration = np.arange(len(first), dtype=np.float64)[::stride]
    rows = first[::stride]
    slowest, median = rows.max(axis=1), np.median(rows, axis=1)
    course = [
        Series("slowest worker", iteration, np.where(np.isfinite(slowest), slowest, np.nan)),
        Series("median worker", iteration, np.where(np.isfinite(median), median, np.nan)),
    ]
    found = [
        Panel("durations", time, "fraction of tasks", distribution, x_scale=_scale(ends)),
        Panel("iterations", "iteration", time, course, y_scale=_scale(ends)),
    ]
    if at := autocorrelation(first, range(1, LONGEST_LAG + 1)):
        series = Series("mean over workers", np.array([*at], float), np.array([*at.values()]))
        found.append(Panel("correlation in time", "lag (iterations)", "autocorrelation", [series]))
    return found


def draw_trace(times: Floats, relative: bool, title: str, file: Path) -> None:
    """Draw the picture of a trace into a file, whose suffix selects the format."""
    draw(panels(times, relative), title, [file])


def _scale(ends: Floats) -> Any:
    return "log" if ends[0] > 0 and ends[-1] > 10 * ends[0] else "linear"


def _item(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"


def _time(value: float, unit: str) -> str:
    return f"{value:.4g}{unit}" if isfinite(value) else "without end"


def _whole(found: TraceDescription, unit: str) -> str:
    """Return the what-if baseline in words."""
    uncoded, without = found.baselines.uncoded, found.baselines.without_stragglers
    whole = (
        f"without stragglers this job would have taken {_time(without * found.iterations, unit)}"
    )
    if not isfinite(uncoded):
        return f"as a task never ends; {whole}"
    return f"{_time(uncoded * found.iterations, unit)} in all; {whole}"


def _spread(spread: StragglerSpread) -> str:
    if not isfinite(spread.mean):
        return "without end, as a first task never ends"
    return (
        f"{spread.mean:.2f} on average, {spread.median:.2f} in the median iteration, "
        f"{spread.p99:.2f} in one of 100"
    )


def _autocorrelation(found: TraceDescription) -> str:
    if not found.autocorrelation:
        return "not known, as there are too few iterations, or all are the same"
    at = ", ".join(f"{value:.2f} at lag {lag}" for lag, value in found.autocorrelation.items())
    return f"{at}, of a worker"


def _lasting(found: TraceDescription) -> str:
    parts = []
    if found.slowest_to_fastest is not None:
        parts.append(f"slowest / fastest worker {found.slowest_to_fastest:.2f}, by their medians")
    if found.lasting is not None:
        parts.append(f"{found.lasting:.0%} of the variance lasts")
    return "; ".join(parts) or "not known"


def _growth(found: TraceDescription, unit: str) -> str:
    growth = found.growth
    if growth is None:
        return "not known: it takes finish times of two amounts of work in the same iterations"
    text = f"{growth.overhead:.4g}{unit} + {growth.per_task:.4g}{unit} per task, in the median"
    exponent = "" if growth.exponent is None else f" (exponent {growth.exponent:.2f})"
    return f"{text}; {GROWTH[growth.kind]}{exponent}"


def _criterion(found: TraceDescription) -> str:
    base = found.baselines
    by_speed, at_best = _percent(base.saved_by_speed), _percent(base.saved_at_best)
    least = "at least " if found.cancelled else ""
    cost = (
        f"stragglers cost {least}a factor of {base.slowdown:.2f}"
        if isfinite(base.slowdown)
        else "waiting for all workers never ends"
    )
    return f"{cost}; shares by speed save {by_speed}, a perfect split {at_best} of the time"


def _percent(part: float) -> str:
    return f"{round(part, 2) + 0.0:.0%}"  # -0 becomes 0
