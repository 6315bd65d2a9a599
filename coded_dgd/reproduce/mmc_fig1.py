"""This module reproduces Figure 1 of the MMC paper: the distribution of the completion time.

The distribution is both a closed form and simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from coded_dgd.report.figure import Floats, Panel
from coded_dgd.reproduce._mmc import (
    CLOSE,
    GC,
    LCC,
    LCC_MMC,
    LIMIT,
    MDS_MMC,
    MU,
    ROUNDING,
    SIGNIFICANT,
    UC_MMC,
    MMCFigure,
    delay,
    line,
    points,
    reduction,
)
from coded_dgd.reproduce.base import Claim, FigureResult, Number
from coded_dgd.theory import predict
from coded_dgd.theory.agreement import Agreement, agreement
from coded_dgd.theory.integrate import integrate
from coded_dgd.theory.monte_carlo import simulate

LOAD = 5
OF_THE_PAPER = (GC, LCC, LCC_MMC)
OURS = (UC_MMC, MDS_MMC)
LABELS = {UC_MMC: "UC-MMC (closed form is ours)"}

INSTANTS = np.geomspace(0.02, 2.0, 400)
"""Instants at which the lines are computed, in seconds."""

LEVELS = (0.01, 0.05, *(k / 10 for k in range(1, 10)), 0.95, 0.99)
"""Quantiles of the closed form at which the points are drawn."""

PRODUCTS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of mu alpha, which alone determines ratios of completion times; 0.1 in the figure."""

LIKELY = 1e-3
"""Smallest p-value at which realisations count as drawn from the distribution."""


class FoundMeans(NamedTuple):
    """The found means are the results for one scheme; times are in seconds."""

    mean: float
    late: Floats
    """Values of Pr(T > t) at `INSTANTS`."""
    quantiles: Floats
    """Quantiles of the closed form at `LEVELS`."""
    by: Floats
    """Fraction of the realisations that have completed by each of the quantiles."""
    agreement: Agreement
    elsewhere: Sequence[float]
    """E[T] at each of `PRODUCTS`."""


class MMCFig1(MMCFigure[FoundMeans]):
    """The figure ``mmc-fig1`` shows the schemes of the paper and two additions of ours."""

    title = "Completion time of one iteration (Ozfatura et al., Fig. 1)"
    workers = 10

    @property
    def parameters(self) -> dict[str, Any]:
        return super().parameters | {"load": LOAD}

    @property
    def parts(self) -> int:
        return len(OF_THE_PAPER + OURS)

    def compute(self, part: int) -> FoundMeans:
        scheme = self.scheme((OF_THE_PAPER + OURS)[part], LOAD)
        exact = predict(scheme, delay())
        sample = simulate(scheme, delay(), self.realisations, self.seed)
        quantiles = np.array([exact.quantile(level) for level in LEVELS])
        return FoundMeans(
            exact.mean,
            np.array([1 - exact.cdf(t) for t in INSTANTS]),
            quantiles,
            np.array([np.mean(sample.times <= t) for t in quantiles]),
            agreement(exact, sample),
            [predict(scheme, delay(product / MU)).mean for product in PRODUCTS],
        )

    def assemble(self, computed: Sequence[FoundMeans]) -> FigureResult:
        found = dict(zip(OF_THE_PAPER + OURS, computed, strict=True))
        limit = self.limit(LOAD)
        lines = {LABELS.get(label, label): 1 - each.late for label, each in found.items()}
        lines[LIMIT] = np.array([1 - limit.survival(t) for t in INSTANTS])
        panel = Panel(
            f"M = N = {self.workers}, r = {LOAD}; {self.how}",
            "time t (s)",
            "Pr(T ≤ t)",
            [
                *(line(label, INSTANTS, y) for label, y in lines.items()),
                *(
                    points(
                        LABELS.get(label, label),
                        each.quantiles,
                        each.by,
                        np.sqrt(each.by * (1 - each.by) / self.realisations),
                    )
                    for label, each in found.items()
                ),
            ],
            x_scale="log",
        )
        return FigureResult([panel], claims(found, integrate(limit).mean))


def claims(found: Mapping[str, FoundMeans], limit: float) -> list[Claim]:
    """Return the claims about Figure 1, the paper's and ours; `limit` is the limit's mean."""
    return [
        *matches(
            found,
            OF_THE_PAPER,
            "the provided closed-form expressions match perfectly with the results from the Monte "
            "Carlo simulations",
            "Section V",
        ),
        *matches(
            found,
            OURS,
            "the closed forms that the paper does not have match the simulations too",
            "ours",
        ),
        outperforms(found),
        wide_range(found),
        reduces(found),
        reaches_limit(found, limit),
    ]


def matches(
    found: Mapping[str, FoundMeans], labels: Sequence[str], text: str, where: str
) -> list[Claim]:
    agreements = {label: found[label].agreement for label in labels}
    return [
        Claim(
            f"{text}: means",
            where,
            f"within {CLOSE} standard errors",
            all(abs(each.mean) <= CLOSE for each in agreements.values()),
            "(mean of the realisations - closed form) / standard error",
            {label: Number(each.mean) for label, each in agreements.items()},
        ),
        Claim(
            f"{text}: distributions",
            where,
            f"the p-value of the Kolmogorov-Smirnov test is above {LIKELY:g}",
            all(each.p_value > LIKELY for each in agreements.values()),
            "p-value",
            {
                f"{label}, distance {each.distance:.4f}": Number(each.p_value)
                for label, each in agreements.items()
            },
        ),
    ]


def outperforms(found: Mapping[str, FoundMeans]) -> Claim:
    others = (LCC, GC)
    late = found[LCC_MMC].late
    return Claim(
        "LCC-MMC outperforms the LCC as well as GC scheme",
        "Section V",
        "at every t its Pr(T <= t) is no less than theirs",
        all((late <= found[other].late + ROUNDING).all() for other in others),
        "E[T] of the other / E[T] of LCC-MMC",
        {other: Number(found[other].mean / found[LCC_MMC].mean) for other in others},
    )


def wide_range(found: Mapping[str, FoundMeans]) -> Claim:
    best = [min(pair) for pair in zip(found[LCC].elsewhere, found[GC].elsewhere, strict=True)]
    ratios = [each / mmc for each, mmc in zip(best, found[LCC_MMC].elsewhere, strict=True)]
    return Claim(
        "we have made similar observations for a wide range of parameters",
        "Section V",
        "E[T] of LCC-MMC is less than that of LCC and of GC at every mu alpha, on which alone "
        "ratios of times depend",
        all(ratio > 1 for ratio in ratios),
        "lower E[T] of LCC and GC / E[T] of LCC-MMC",
        {
            f"mu alpha = {product:g}": Number(ratio)
            for product, ratio in zip(PRODUCTS, ratios, strict=True)
        },
    )


def reduces(found: Mapping[str, FoundMeans]) -> Claim:
    reductions = {other: reduction(found[LCC_MMC].mean, found[other].mean) for other in (LCC, GC)}
    return Claim(
        "MMC approach can reduce the average per-iteration completion time E[T] significantly",
        "Section V",
        f"E[T] of LCC-MMC is at least {SIGNIFICANT} % less than that of LCC and of GC",
        all(each >= SIGNIFICANT for each in reductions.values()),
        "less by %",
        {f"than {other}": Number(each) for other, each in reductions.items()},
    )


def reaches_limit(found: Mapping[str, FoundMeans], limit: float) -> Claim:
    times = {label: each.mean for label, each in found.items()}
    return Claim(
        "no scheme is faster than N tasks done anywhere, and mds-mmc is as fast",
        "ours",
        f"E[T] of mds-mmc is that of the limit to {ROUNDING:g}, and of every other scheme no less",
        abs(times[MDS_MMC] / limit - 1) <= ROUNDING
        and min(times.values()) >= limit * (1 - ROUNDING),
        "E[T] / limit",
        {label: Number(each / limit) for label, each in times.items()},
    )
