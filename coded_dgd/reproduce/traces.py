"""This module replays every scheme on recorded stragglers, and decides what pays on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coded_dgd.report.figure import Panel, Series
from coded_dgd.reproduce import _straggler_traces
from coded_dgd.reproduce._reference_times import REFERENCES, reference
from coded_dgd.reproduce._replayed_schemes import (
    FINE,
    KINDS,
    LARGEST_ERROR,
    QUICK_STORAGE,
    STORAGE,
    UNCODED,
    Row,
    best,
    rows_of,
)
from coded_dgd.reproduce._straggler_traces import StragglerTrace
from coded_dgd.reproduce._traces_claims import claims
from coded_dgd.reproduce.base import Claim, Figure, FigureResult, Table
from coded_dgd.theory.replay import Ratio, ratio_of_means

COLUMNS = (
    "trace",
    "scheme",
    "kind",
    "time / uncoded",
    "standard error",
    "messages",
    "error of factors",
    "N",
    "load",
    "options",
)


class Traces(Figure[Row | None]):
    """The figure ``traces`` shows the time of every scheme at its best, relative to uncoded.

    Its parts are the rows of one trace after the other.

    Parameters
    ----------
    files : sequence of str
        Files of further traces, as ``--delay trace:FILE`` reads them.
    """

    title = "Every scheme on recorded stragglers (no figure of the papers)"
    replays = True

    def __init__(self, seed: int = 0, quick: bool = False, files: Sequence[str] = ()) -> None:
        super().__init__(seed, quick)
        further = _straggler_traces.given(files, quick)
        self.traces = [*_straggler_traces.usual(seed, quick), *further]
        self._rows = [
            (trace, name)
            for trace in self.traces
            for name in (*rows_of(trace.workers), *REFERENCES)
        ]

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "traces": [
                f"{trace.label} (M = {trace.workers}, the first {trace.iterations} iterations)"
                for trace in self.traces
            ],
            "law": _straggler_traces.LAW,
            "N / M": [1, FINE],
            "data of a worker in shares of 1/M": [*(QUICK_STORAGE if self.quick else STORAGE)],
            "largest error of factors": round(LARGEST_ERROR, 4),
        }

    @property
    def parts(self) -> int:
        return len(self._rows)

    def compute(self, part: int) -> Row | None:
        trace, name = self._rows[part]
        if name in REFERENCES:
            return reference(name, trace)
        return best(name, trace, self.seed, self.quick)

    def assemble(self, computed: Sequence[Row | None]) -> FigureResult:
        panels: list[Panel] = []
        found: list[Claim] = []
        lines: list[tuple[Any, ...]] = []
        for trace in self.traces:
            rows = [
                row
                for (other, _), row in zip(self._rows, computed, strict=True)
                if other is trace and row is not None
            ]
            (uncoded,) = [row for row in rows if row.kind == UNCODED]
            ratios = [ratio_of_means(row.times, uncoded.times, trace.block) for row in rows]
            order = sorted(range(len(rows)), key=lambda n: (KINDS.index(rows[n].kind), n))
            rows, ratios = [rows[n] for n in order], [ratios[n] for n in order]
            panels.append(_panel(trace, rows, ratios))
            lines += [_line(trace, *each) for each in zip(rows, ratios, strict=True)]
            found += claims(trace.label, rows, trace.block)
        return FigureResult(panels, found, Table(COLUMNS, lines))


def _panel(trace: StragglerTrace, rows: Sequence[Row], ratios: Sequence[Ratio]) -> Panel:
    series = []
    for kind in KINDS:
        some = [n for n, row in enumerate(rows) if row.kind == kind]
        if some:
            values, errors = np.array([ratios[n] for n in some]).T
            series.append(
                Series(kind, np.array(some, dtype=np.float64), values, errors, kind="points")
            )
    return Panel(
        f"{trace.label}: {trace.workers} workers, {trace.iterations} iterations",
        "scheme",
        "time per iteration / uncoded",
        series,
        y_scale="log",
        x_names=[row.name for row in rows],
    )


def _line(trace: StragglerTrace, row: Row, ratio: Ratio) -> tuple[Any, ...]:
    return (
        trace.label,
        row.name,
        row.kind,
        ratio.value,
        ratio.standard_error,
        row.messages,
        row.error,
        row.blocks,
        row.load,
        row.options or None,
    )
