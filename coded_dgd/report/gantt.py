"""This module draws the timeline of some iterations: the work of each rank and its use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from coded_dgd.errors import UsageError
from coded_dgd.report.figure import COLOURS, styled

MASTER = {
    "broadcast": ("broadcast", COLOURS[3]),
    "wait": ("master waits", "#E6E6E6"),
    "weights": ("weights", COLOURS[2]),
    "decode": ("decode", COLOURS[6]),
    "update": ("update", COLOURS[4]),
}
WHOLES = ("iteration", "block")
"""Beginnings of the names of slices that span others."""
USED, TAKEN, WASTED, DROPPED = "used", "taken", "wasted", "cancelled"
WORK = {
    USED: ("work on messages that were used", "#8FC1E3"),
    TAKEN: ("the same, on blocks of another worker", "#A6DCC4"),
    WASTED: ("work on messages that came too late", COLOURS[1]),
    DROPPED: ("cancelled work", "#FFFFFF"),
}
COMPUTING, SENT = COLOURS[0], "#0B2C44"
MARKED_RANKS = 60
"""Number of ranks up to which each message gets a mark."""


class Bar(NamedTuple):
    """A bar is a part of a rank's row; times are in seconds."""

    rank: int
    what: str
    begin: float
    length: float


class Sent(NamedTuple):
    """A message leaves its rank at this time, in seconds."""

    rank: int
    time: float
    used: bool


@dataclass(frozen=True)
class Chart:
    """A chart holds everything that is drawn of some iterations; times are in seconds."""

    first: int
    last: int
    ranks: list[int]
    bars: list[Bar]
    computing: list[Bar]
    """Periods of real computing, each of which is part of a bar of work."""
    sent: list[Sent]
    decodable: list[float]
    length: float
    """Time in seconds from the start of the first of the iterations to the end of the last."""


def parse_iterations(text: str | None) -> tuple[int, int] | None:
    """Parse ``7`` or ``7..9`` into the first and the last iteration.

    Raises
    ------
    UsageError
        If the text has another form.
    """
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        found = int(first), int(last if dots else first)
    except ValueError:
        found = 0, -1
    if not 0 <= found[0] <= found[1]:
        raise UsageError(f"--iterations {text!r}: give a number, or FIRST..LAST as in 3..5")
    return found


def read(path: Path, wanted: tuple[int, int] | None) -> Chart:
    """Read some iterations of a timeline, by default the one that took the median time.

    Raises
    ------
    UsageError
        If the file is not a timeline of this program or lacks the iterations.
    """
    try:
        return _read(path, wanted)
    except OSError as error:
        raise UsageError(
            f"--timeline {path}: {error.strerror or error}: name a file of run --timeline"
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        raise UsageError(
            f"--timeline {path} is no timeline: name a file of run --timeline"
        ) from None


def _read(path: Path, wanted: tuple[int, int] | None) -> Chart:
    """Read the iterations; a file with other content may cause any exception."""
    trace = json.loads(path.read_text(encoding="utf-8"))
    if trace["otherData"]["program"] != "coded-dgd":
        raise ValueError("of another program")
    events = [event for event in trace["traceEvents"] if "ts" in event]
    ranks = sorted({event["tid"] for event in trace["traceEvents"]})
    spans = {
        event["args"]["iteration"]: (event["ts"] * 1e-6, (event["ts"] + event["dur"]) * 1e-6)
        for event in events
        if event["tid"] == 0 and event["name"].startswith("iteration")
    }
    if not spans:
        raise UsageError(f"--timeline {path} holds no iteration: run it again, for longer")
    if wanted is None:
        by_length = sorted(spans, key=lambda each: spans[each][1] - spans[each][0])
        wanted = (by_length[len(by_length) // 2],) * 2
    if wanted[0] not in spans or wanted[1] not in spans:
        raise UsageError(
            f"--timeline {path} holds iterations {min(spans)} to {max(spans)}: choose from these"
        )
    return _chart(events, ranks, wanted, spans[wanted[0]][0], spans[wanted[1]][1])


def _chart(
    events: Sequence[dict[str, Any]],
    ranks: list[int],
    wanted: tuple[int, int],
    begin: float,
    end: float,
) -> Chart:
    inside = range(wanted[0], wanted[1] + 1)
    fate = {
        (event["tid"], event["args"]["iteration"], event["args"]["message"]): bool(
            event["args"].get("used")
        )
        for event in events
        if event["name"] == "send"
    }
    bars: list[Bar] = []
    computing: list[Bar] = []
    sent: list[Sent] = []
    decodable: list[float] = []
    for event in events:
        args, name, rank = event["args"], event["name"], event["tid"]
        start = event["ts"] * 1e-6
        length = min(event.get("dur", 0.0) * 1e-6, end - start)
        if name == "decodable" and args["iteration"] in inside:
            decodable.append(start - begin)
        if event["ph"] != "X" or name.startswith(WHOLES) or not begin <= start < end:
            continue
        if rank == 0:
            bars.append(Bar(0, name, start - begin, length))
            continue
        key = rank, args["iteration"], args.get("message", -1)
        what = USED if fate.get(key) else WASTED if key in fate else DROPPED
        if what == USED and args.get("owner", rank) not in (0, rank):
            what = TAKEN
        bars.append(Bar(rank, what, start - begin, length))
        if "compute" in (name, args.get("instead_of")):
            computing.append(Bar(rank, what, start - begin, length))
        if name == "send":
            sent.append(Sent(rank, start - begin, fate[key]))
    return Chart(*wanted, ranks, bars, computing, sent, decodable, end - begin)


def draw(chart: Chart, files: Sequence[Path]) -> None:
    """Draw a row per rank into `files`, with the master on top."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    several = chart.last > chart.first
    which = f"iterations {chart.first} to {chart.last}" if several else f"iteration {chart.first}"
    height = 1.9 + 0.26 * max(4, len(chart.ranks)) if len(chart.ranks) <= 24 else 8.2
    row = {rank: number for number, rank in enumerate(chart.ranks)}
    with styled((10.4, height), f"Who did what in {which}", files) as figure:
        axes = figure.subplots()
        for (rank, what), spans in _rows(chart.bars).items():
            _, colour = MASTER[what] if what in MASTER else WORK.get(what, ("", COLOURS[7]))
            hatched = {"hatch": "/////", "edgecolor": "#B0B0B0"} if what == DROPPED else {}
            axes.broken_barh(
                spans, (row[rank] - 0.38, 0.76), facecolor=colour, linewidth=0, **hatched
            )
        for (rank, _), spans in _rows(chart.computing).items():
            axes.broken_barh(spans, (row[rank] - 0.38, 0.76), facecolor=COMPUTING, linewidth=0)
        if len(chart.ranks) <= MARKED_RANKS:
            for used, colour in ((True, SENT), (False, "#7A2E00")):
                at = [(sent.time, row[sent.rank]) for sent in chart.sent if sent.used is used]
                if at:
                    size = 110 if len(chart.ranks) <= 24 else 25
                    axes.scatter(*zip(*at, strict=True), s=size, marker="|", color=colour)
        for instant in chart.decodable:
            axes.axvline(instant, color=COLOURS[6], linewidth=1.1, linestyle="--")
        step = max(1, len(chart.ranks) // 20)
        shown = chart.ranks[::step]
        axes.set_yticks([row[rank] for rank in shown], [str(rank) for rank in shown])
        axes.set_ylim(len(chart.ranks) - 0.4, -0.6)
        axes.set_xlim(0, 1.005 * chart.length)
        for number, instant in enumerate(chart.decodable if several else []):
            axes.annotate(
                str(chart.first + number), (instant, -0.6), xytext=(-3, 2), ha="right",
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
        axes.grid(axis="y", visible=False)
        axes.set(xlabel="seconds since beta_t left", ylabel="rank (0: master)")
        present = {bar.what for bar in chart.bars}
        handles: list[Any] = [
            Patch(
                facecolor=colour,
                edgecolor="#8C8C8C" if what in (DROPPED, "wait") else colour,
                hatch="/////" if what == DROPPED else None,
                label=label,
            )
            for what, (label, colour) in {**WORK, **MASTER}.items()
            if what in present
        ]
        if chart.computing:
            handles.append(Patch(facecolor=COMPUTING, label="real computing"))
        handles += [
            Line2D([], [], color=SENT, marker="|", linestyle="none", label="a message leaves"),
            Line2D([], [], color=COLOURS[6], linestyle="--", label="the gradient is decodable"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _rows(bars: Sequence[Bar]) -> dict[tuple[int, str], list[tuple[float, float]]]:
    """Return the start and the length of the bars, by rank and kind."""
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for bar in bars:
        found.setdefault((bar.rank, bar.what), []).append((bar.begin, bar.length))
    return found
