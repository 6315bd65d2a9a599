"""This module reproduces Figure 2 of the SGC paper: the error after 5,000 iterations against p."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coded_dgd.report.figure import Panel
from coded_dgd.reproduce._sgc import (
    ALGORITHMS,
    BGC,
    ERASUREHEAD,
    IGNORE,
    LESS,
    LIKE,
    PRINTED,
    SEND_ALL,
    SGC,
    SIGNIFICANT,
    UNBIASED,
    SGCFigure,
    TrainingCase,
    averaged,
    is_less,
    ratio,
)
from coded_dgd.reproduce.base import Claim, FigureResult, Number, Verdict, all_of
from coded_dgd.schemes.base import Floats

EVERY_P = tuple(k / 10 for k in range(10))
STRAGGLING = EVERY_P[1:]
SMALL_P, LARGE_P = (0.1, 0.2, 0.3), (0.6, 0.7, 0.8, 0.9)
LARGEST_P = EVERY_P[-1]

CLOSE = 1.5
"""Factor below which two error floors almost match.

It is 0.18 decades of the figure's axis, which has six decades.
"""

BETTER = 1.1
"""Minimum ratio of the errors at which one algorithm outperforms another."""

Errors = Mapping[str, Floats]
"""Errors ||beta - beta*||^2 of each algorithm at `EVERY_P`, shape (repetitions, 10)."""


class SGCFig2(SGCFigure):
    """The figure ``sgc-fig2`` shows all algorithms of Table I at p = 0, 0.1, ..., 0.9."""

    title = "Error after all iterations (Bitar et al., Fig. 2)"

    @property
    def parameters(self) -> dict[str, Any]:
        return super().parameters | {"p": list(EVERY_P)}

    def compute(self, part: int) -> Floats:
        """Return the errors after T/10 and T iterations, shape (2, algorithms, 10)."""
        iterations = self.experiment.iterations
        cases = [TrainingCase(algorithm, p) for algorithm in ALGORITHMS for p in EVERY_P]
        errors = self.experiment.run(self.seed, part, cases)[:, [iterations // 10, iterations]]
        return np.reshape(errors.T, (2, len(ALGORITHMS), len(EVERY_P)))

    def assemble(self, computed: Sequence[Floats]) -> FigureResult:
        stacked = np.stack(computed, axis=2)
        tenth, last = (dict(zip(ALGORITHMS, each, strict=True)) for each in stacked)
        series = [
            averaged(algorithm, EVERY_P, errors, LIKE.get(algorithm))
            for algorithm, errors in last.items()
        ]
        exact = max(curve.y[0] for curve in series)
        panel = Panel(
            f"mean ± standard error of {self.experiment.repetitions} runs",
            "probability p that a worker is a straggler",
            f"squared error ‖βₜ − β*‖², t = {self.experiment.iterations}",
            series,
            y_scale="log",
            y_low=min(curve.y[1:].min() for curve in series) / 4,
            note=f"p = 0, exact gradients: {exact:.0e}",
        )
        workers, redundancy = self.experiment.workers, self.experiment.redundancy
        return FigureResult([panel], claims(tenth, last, workers, redundancy))


def claims(tenth: Errors, last: Errors, workers: int, redundancy: int) -> list[Claim]:
    """Return the claims about Figure 2, from the errors after T/10 and T iterations."""
    return [
        improves(last, workers, redundancy),
        lower_bound(last, SEND_ALL),
        lower_bound(last, PRINTED),
        gap_decreases(last),
        almost_matches(last),
        erasurehead_is_best(last),
        erasurehead_deteriorates(last),
        fastest_few(tenth, last),
        outperforms(last, ERASUREHEAD),
        outperforms(last, BGC),
    ]


def improves(last: Errors, workers: int, redundancy: int) -> Claim:
    stragglers = round(STRAGGLING[0] * workers)
    return Claim(
        "SGC improves the accuracy of Ignore-Stragglers-SGD, with far less redundancy than exact "
        "gradient coding needs",
        "Section I",
        f"lower mean error at every p > 0, {LESS}; with d = {redundancy} copies, where exact "
        f"coding needs one more than there are stragglers, {stragglers + 1} for their mean number "
        f"at p = {STRAGGLING[0]}",
        all_of([redundancy <= stragglers, _is_less(last, SGC, IGNORE, STRAGGLING)]),
        *_ratios(last, IGNORE, SGC, STRAGGLING),
    )


def lower_bound(last: Errors, send_all: str) -> Claim:
    how, remark = {
        SEND_ALL: ("each row divided by how often it is received, 1 - p^d_i", ""),
        PRINTED: (
            "all divided by the average number received, as Table I prints it",
            "This is biased where the d_i differ: rows with fewer copies count for less, and beta "
            "converges to another point than beta*. Weighed row by row it is the lower bound that "
            "the paper shows",
        ),
    }[send_all]
    return Claim(
        f"SGC-Send-All is a lower bound on the performance of SGC ({how})",
        "Section V-B",
        f"lower mean error at every p > 0, {LESS}",
        _is_less(last, send_all, SGC, STRAGGLING),
        *_ratios(last, SGC, send_all, STRAGGLING),
        remark,
    )


def gap_decreases(last: Errors) -> Claim:
    quantity, ratios = _ratios(last, SGC, SEND_ALL, STRAGGLING)
    gaps = list(ratios.values())
    falls = gaps[0].value - gaps[-1].value >= SIGNIFICANT * _noise(gaps[0], gaps[-1])
    rises = any(b.value - a.value > 2 * _noise(a, b) for a, b in itertools.pairwise(gaps))
    return Claim(
        "as p increases the gap between the error floors of SGC and SGC-Send-All decreases",
        "Section V-B",
        f"their ratio is less at p = {LARGEST_P} than at {STRAGGLING[0]} by {SIGNIFICANT} standard "
        "errors, and from no p to the next does it rise by more than 2",
        falls and not rises,
        quantity,
        ratios,
        "The ratio, which is what the figure's logarithmic axis shows: (1 + p)/(2p) where every "
        "row has 2 copies",
    )


def almost_matches(last: Errors) -> Claim:
    quantity, ratios = _ratios(last, SGC, SEND_ALL, LARGE_P)
    return Claim(
        f"the error floors of SGC and SGC-Send-All almost match for p >= {LARGE_P[0]}",
        "Section V-B",
        f"the ratio of their mean errors is at most {CLOSE} at each of these p",
        all(each.value <= CLOSE for each in ratios.values()),
        quantity,
        ratios,
        "A matter of degree: (1 + p)/(2p) is 1.33 at p = 0.6 and has no threshold there",
    )


def erasurehead_is_best(last: Errors) -> Claim:
    others = (SGC, BGC, IGNORE, SEND_ALL, PRINTED)
    best = [p for p in STRAGGLING if all(_is_below(last, ERASUREHEAD, each, p) for each in others)]
    return Claim(
        "ErasureHead is best for a small probability of straggling",
        "Section V-B",
        f"lower mean error than every other algorithm {_at(SMALL_P)}, {LESS}",
        all_of(_is_less(last, ERASUREHEAD, each, SMALL_P) for each in others),
        *_ratios(last, SEND_ALL, ERASUREHEAD, SMALL_P),
        f"Its mean error is the lowest {_at(best)}: it has the lowest floor, not the fastest decay",
    )


def erasurehead_deteriorates(last: Errors) -> Claim:
    low, unbiased = STRAGGLING[0], _ratio(last, UNBIASED, SGC, LARGEST_P)
    return Claim(
        "the convergence of ErasureHead deteriorates as p increases",
        "Section V-B",
        f"its mean error is below that of SGC at p = {low} and above it at p = {LARGEST_P}, both "
        f"by {SIGNIFICANT} standard errors of the mean log ratio",
        all_of(
            [
                _is_less(last, ERASUREHEAD, SGC, [low]),
                _is_less(last, SGC, ERASUREHEAD, [LARGEST_P]),
            ]
        ),
        *_ratios(last, ERASUREHEAD, SGC, STRAGGLING),
        "Because Table I divides it by the number of all rows, which shortens its steps by 1 - p^d "
        f"on average. Divided by 1 - p^d, its error at p = {LARGEST_P} is {unbiased} times that of "
        "SGC",
    )


def fastest_few(tenth: Errors, last: Errors) -> Claim:
    column = EVERY_P.index(LARGEST_P)
    falls = {
        each: ratio(tenth[each][:, column], last[each][:, column])
        for each in (SGC, ERASUREHEAD, UNBIASED)
    }
    return Claim(
        "with SGC the master can wait for the fastest few workers only, which may not be possible "
        "with ErasureHead",
        "Section V-B",
        f"at p = {LARGEST_P} SGC is at its floor after T/10 iterations, so that the error falls by "
        "less than a factor of 10 after them, and ErasureHead is not",
        falls[SGC].value < 10 <= falls[ERASUREHEAD].value,
        f"from T/10 to T the error falls, at p = {LARGEST_P}, by a factor of",
        falls,
        "Of ErasureHead as printed: see above",
    )


def outperforms(last: Errors, other: str) -> Claim:
    below = [p for p in STRAGGLING if _is_below(last, SGC, other, p)]
    below_unbiased = [p for p in STRAGGLING if _is_below(last, SGC, UNBIASED, p)]
    remark = {
        ERASUREHEAD: f"The mean error of SGC is the lower one {_at(below)}, and against "
        f"ErasureHead divided by 1 - p^d {_at(below_unbiased)}",
        BGC: "They differ in the d_i only, which rounding makes 2 for most rows: SGC gains nothing "
        "from them on these data, whose rows are of nearly equal norm",
    }[other]
    return Claim(
        f"SGC outperforms other approximate gradient codes when there are many stragglers: {other}",
        "Abstract",
        f"at p = {LARGEST_P} the other's mean error is more than {BETTER} times that of SGC, by "
        f"{SIGNIFICANT} standard errors of the mean log ratio",
        _is_less(last, SGC, other, [LARGEST_P], BETTER),
        *_ratios(last, other, SGC, LARGE_P),
        remark,
    )


def _is_less(last: Errors, a: str, b: str, at: Sequence[float], factor: float = 1.0) -> Verdict:
    columns = [EVERY_P.index(p) for p in at]
    return is_less(last[a][:, columns], last[b][:, columns], factor)


def _ratio(last: Errors, a: str, b: str, p: float) -> Number:
    column = EVERY_P.index(p)
    return ratio(last[a][:, column], last[b][:, column])


def _ratios(last: Errors, a: str, b: str, at: Sequence[float]) -> tuple[str, dict[str, Number]]:
    """Return the name of the ratio, and the ratio of the mean errors at each p."""
    return f"error of {a} / error of {b}", {f"p = {p}": _ratio(last, a, b, p) for p in at}


def _is_below(last: Errors, a: str, b: str, p: float) -> bool:
    """Return whether the mean error of a is lower, by any amount."""
    return _ratio(last, a, b, p).value < 1


def _noise(a: Number, b: Number) -> float:
    """Return the standard error of the difference of two numbers, taken as independent."""
    return float(np.hypot(a.standard_error or 0, b.standard_error or 0))


def _at(several: Sequence[float]) -> str:
    return f"at p = {', '.join(map(str, several))}" if several else "nowhere"
