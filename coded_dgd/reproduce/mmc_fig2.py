"""This module reproduces Figure 2 of the MMC paper.

The figure shows completion time and communication load against computation load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.report.figure import Panel, Series
from coded_dgd.reproduce._mmc import (
    GC,
    LCC,
    LCC_MMC,
    LCC_MMC_2,
    LIMIT,
    MDS_MMC,
    UC_MMC,
    UC_MMC_PG,
    MMCFigure,
    delay,
    line,
    points,
)
from coded_dgd.reproduce._mmc_fig2_claims import Curve, Curves, claims
from coded_dgd.reproduce.base import FigureResult
from coded_dgd.schemes.rules import Coverage
from coded_dgd.theory import predict
from coded_dgd.theory.agreement import off_load
from coded_dgd.theory.integrate import integrate
from coded_dgd.theory.monte_carlo import simulate

LABELS = (GC, LCC, LCC_MMC, UC_MMC, LCC_MMC_2, UC_MMC_PG, MDS_MMC)

SIMULATED = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40)
"""Simulated computation loads, spaced about evenly on a logarithmic axis."""
QUICK = (1, 2, 4, 10)


class Simulated(NamedTuple):
    """A simulated value is the mean of realisations."""

    mean: float
    standard_error: float
    off: float
    """Difference from the closed form in standard errors."""


class Mean(NamedTuple):
    """A mean is given by its closed form and, at some computation loads, also simulated."""

    exact: float
    simulated: Simulated | None


class FigurePoint(NamedTuple):
    """A figure point holds the results of one scheme at one computation load."""

    time: Mean
    """E[T] in seconds."""
    messages: Mean
    """Communication load in messages per iteration."""


class Column(NamedTuple):
    """A column holds all schemes that exist at one computation load."""

    schemes: Mapping[str, FigurePoint]
    limit: float
    """Mean time in seconds until N tasks are done in total."""


class MMCFig2(MMCFigure[Column]):
    """The figure ``mmc-fig2`` shows the paper's schemes at r = 1..40 and two additions of ours."""

    title = "Completion time and communication load (Ozfatura et al., Fig. 2)"
    workers = 40

    def __init__(self, seed: int = 0, quick: bool = False) -> None:
        super().__init__(seed, quick)
        self.loads: Sequence[int] = QUICK if quick else range(1, self.workers + 1)

    @property
    def parameters(self) -> dict[str, Any]:
        simulated = [load for load in self.loads if load in SIMULATED]
        return super().parameters | {"loads": [*self.loads], "simulated loads": simulated}

    @property
    def parts(self) -> int:
        return len(self.loads)

    def compute(self, part: int) -> Column:
        load, found = self.loads[part], {}
        for label in LABELS:
            try:
                found[label] = self._point(label, load)
            except Infeasible:
                continue
        return Column(found, integrate(self.limit(load)).mean)

    def _point(self, label: str, load: int) -> FigurePoint:
        scheme = self.scheme(label, load)
        exact = predict(scheme, delay())
        time = messages = None
        if load in SIMULATED:
            sample = simulate(scheme, delay(), self.realisations, self.seed)
            off = (sample.mean - exact.mean) / sample.standard_error
            time = Simulated(sample.mean, sample.standard_error, off)
            messages = Simulated(
                sample.communication_load,
                sample.communication_load_standard_error,
                off_load(exact, sample),
            )
        return FigurePoint(Mean(exact.mean, time), Mean(exact.communication_load, messages))

    def assemble(self, computed: Sequence[Column]) -> FigureResult:
        columns = dict(zip(self.loads, computed, strict=True))

        def means(pick: Callable[[FigurePoint], Mean]) -> Means:
            return {
                label: {
                    r: pick(each.schemes[label])
                    for r, each in columns.items()
                    if label in each.schemes
                }
                for label in LABELS
            }

        def panel(letter: str, y_label: str, shown: Means, further: Curves, **scale: Any) -> Panel:
            return Panel(
                f"({letter}) {self.how}",
                "computation load r (tasks per worker)",
                y_label,
                [*_lines({**_exact(shown), **further}), *_points(shown)],
                x_scale="log",
                **scale,
            )

        times, messages = means(lambda point: point.time), means(lambda point: point.messages)
        limit = {r: each.limit for r, each in columns.items()}
        rule = self.scheme(UC_MMC_PG, self.workers).rule
        assert isinstance(rule, Coverage)
        return FigureResult(
            [
                panel("a", "mean completion time E[T] (s)", times, {LIMIT: limit}, y_scale="log"),
                panel("b", "communication load (messages)", messages, {}),
            ],
            claims(
                _exact(times),
                _exact(messages),
                _largest(times),
                _largest(messages),
                limit,
                self.workers - rule.needed,
            ),
        )


Means = Mapping[str, Mapping[int, Mean]]
"""Means by the label of the scheme and the computation load."""


def _exact(means: Means) -> dict[str, Curve]:
    return {label: {r: mean.exact for r, mean in each.items()} for label, each in means.items()}


def _largest(means: Means) -> dict[str, float]:
    """Return the largest difference from the closed form in standard errors, by label."""
    return {
        label: max(abs(mean.simulated.off) for mean in each.values() if mean.simulated)
        for label, each in means.items()
    }


def _lines(curves: Curves) -> list[Series]:
    return [
        line(label, np.array([*curve], dtype=np.float64), np.array([*curve.values()]))
        for label, curve in curves.items()
    ]


def _points(means: Means) -> list[Series]:
    found = []
    for label, each in means.items():
        simulated = {r: mean.simulated for r, mean in each.items() if mean.simulated}
        mean, standard_error, _ = np.array([*simulated.values()]).T
        found.append(points(label, np.array([*simulated], dtype=np.float64), mean, standard_error))
    return found
