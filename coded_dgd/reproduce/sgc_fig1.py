"""This module reproduces Figure 1 of the SGC paper: error against iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coded_dgd.report.figure import Panel
from coded_dgd.reproduce._sgc import (
    ALGORITHMS,
    IGNORE,
    LESS,
    LIKE,
    POWER,
    SGC,
    SGCFigure,
    TrainingCase,
    averaged,
    is_less,
    mean,
    ratio,
)
from coded_dgd.reproduce.base import Claim, FigureResult, Number
from coded_dgd.schemes.base import Floats

P = 0.7
OTHER_P = (0.1, 0.3, 0.5, 0.9)
EVERY_P = tuple(sorted((P, *OTHER_P)))
EXACT = TrainingCase(SGC, 0.0)
"""Case without stragglers, which is gradient descent."""
CASES = (
    *(TrainingCase(algorithm, P) for algorithm in ALGORITHMS),
    *(TrainingCase(algorithm, p) for p in OTHER_P for algorithm in (SGC, IGNORE)),
    EXACT,
)
POINTS = 200
"""Number of plotted iterations, spaced about evenly on a logarithmic axis."""

DECAYING = 30
"""Minimum ratio of the error in the first phase to the error at a tenth of the iterations."""

SHORTEST = 5
"""Minimum number of iterations in a phase."""

Errors = Mapping[TrainingCase, Floats]
"""Errors ||beta_t - beta*||^2 of each case, shape (repetitions, T + 1)."""


class SGCFig1(SGCFigure):
    """The figure ``sgc-fig1`` is as in the paper at p = 0.7, with two algorithms at other p."""

    title = "Convergence with stragglers (Bitar et al., Fig. 1)"

    @property
    def parameters(self) -> dict[str, Any]:
        return super().parameters | {"p": P, "other p": list(OTHER_P)}

    def compute(self, part: int) -> Floats:
        return self.experiment.run(self.seed, part, CASES)

    def assemble(self, computed: Sequence[Floats]) -> FigureResult:
        errors = dict(zip(CASES, np.stack(computed, axis=1), strict=True))
        iterations, repetitions = self.experiment.iterations, self.experiment.repetitions
        t = np.unique(np.geomspace(1, iterations, POINTS).round().astype(int))

        def panel(
            title: str,
            labels: Mapping[TrainingCase, str],
            like: Mapping[TrainingCase, TrainingCase],
        ) -> Panel:
            return Panel(
                f"{title}; mean ± standard error of {repetitions} runs",
                "iteration t",
                "squared error ‖βₜ − β*‖²",
                [
                    averaged(
                        label, t, errors[case][:, t], labels[like[case]] if case in like else None
                    )
                    for case, label in labels.items()
                ],
                x_scale="log",
                y_scale="log",
            )

        algorithms = {TrainingCase(algorithm, P): algorithm for algorithm in ALGORITHMS}
        variants = {TrainingCase(variant, P): TrainingCase(of, P) for variant, of in LIKE.items()}
        pairs = {
            TrainingCase(algorithm, p): f"{algorithm}, p = {p}"
            for algorithm in (SGC, IGNORE)
            for p in EVERY_P
        }
        return FigureResult(
            [
                panel(f"(a) p = {P}, as in the paper", algorithms, variants),
                panel(
                    "(b) at other p",
                    pairs,
                    {TrainingCase(IGNORE, p): TrainingCase(SGC, p) for p in EVERY_P},
                ),
            ],
            claims(errors),
        )


def claims(errors: Errors) -> list[Claim]:
    """Return the claims about Figure 1 and about "similar plots for different values of p"."""
    return [decays(errors), has_floor(errors), same_rate(errors), lower_floor(errors)]


def decays(errors: Errors) -> Claim:
    rates = {}
    for p in EVERY_P:
        sgc = errors[TrainingCase(SGC, p)]
        late = _second_half(sgc)
        rates[p] = ratio(_rates(sgc, late), _rates(errors[EXACT], late))
    return Claim(
        "for all p SGC first decays exponentially",
        "Section V-B",
        "at every p the error falls as fast as that of gradient descent without stragglers, which "
        "is exponential in the sum of the step sizes, within 5 %: in the second half of the phase "
        f"in which the error is more than {DECAYING} times that at T/10",
        all(abs(rate.value - 1) <= 0.05 for rate in rates.values()),
        f"rate of {SGC} / rate of gradient descent",
        {f"p = {p}": rate for p, rate in rates.items()},
    )


def has_floor(errors: Errors) -> Claim:
    late = {p: _late_fall(errors[TrainingCase(SGC, p)]) for p in (0.0, *EVERY_P)}
    return Claim(
        "then SGC reaches an error floor",
        "Section V-B",
        "from iteration T/10 to T the mean error falls by less than a factor of 10, that is more "
        "slowly than 1/t, at every p > 0",
        all(late[p].value < 10 for p in EVERY_P),
        "falls by a factor of",
        {f"p = {p}": each for p, each in late.items()},
        "Not a constant level: with a step size that decreases as t^-0.7 the floor goes on to fall "
        f"in proportion, 10^0.7 = {10**POWER:.1f} times here. Without stragglers there is none",
    )


def same_rate(errors: Errors) -> Claim:
    rates = {}
    worst = {}
    for p in EVERY_P:
        sgc, ignore = errors[TrainingCase(SGC, p)], errors[TrainingCase(IGNORE, p)]
        late = _second_half(sgc, ignore)
        rates[p] = ratio(_rates(ignore, late), _rates(sgc, late))
        worst[p] = (mean(ignore)[0] / mean(sgc)[0])[1 : late.stop].max()
    return Claim(
        "SGC and Ignore-Stragglers-SGD have the same performance in the exponential phase",
        "Section V-B",
        "their rates, in the second half of the shorter of their phases, differ by 5 % at most at "
        "every p",
        all(abs(rate.value - 1) <= 0.05 for rate in rates.values()),
        f"rate of {IGNORE} / rate of {SGC}",
        {f"p = {p}": rate for p, rate in rates.items()},
        "The same rate, not the same error: the noise of the first steps leaves that of "
        f"{IGNORE} up to "
        + ", ".join(f"{each:.2g} (p = {p})" for p, each in worst.items())
        + " times as large during the phase",
    )


def lower_floor(errors: Errors) -> Claim:
    last = {case: each[:, -1] for case, each in errors.items()}
    sgc, ignore = (
        np.stack([last[TrainingCase(algorithm, p)] for p in EVERY_P], axis=1)
        for algorithm in (SGC, IGNORE)
    )
    return Claim(
        "SGC has a lower error floor than Ignore-Stragglers-SGD due to redundancy",
        "Section V-B",
        f"lower mean error after T iterations at every p, {LESS}",
        is_less(sgc, ignore),
        f"error of {IGNORE} / error of {SGC}",
        {
            f"p = {p}": ratio(last[TrainingCase(IGNORE, p)], last[TrainingCase(SGC, p)])
            for p in EVERY_P
        },
        "About d = 2: the variance of the estimate is that of the gradients divided by d_i",
    )


def _second_half(*several: Floats) -> slice:
    """Return the second half, by step sizes, of the shortest of the curves' first phases."""
    length = min(_decaying(mean(errors)[0]) for errors in several)
    sums = _accumulated(length)
    middle = int(np.searchsorted(sums, (sums[0] + sums[-1]) / 2))
    return slice(middle + 1, length + 1)


def _decaying(errors: Floats) -> int:
    """Return the number of iterations of the first phase of a curve of shape (T + 1,)."""
    level = DECAYING * errors[len(errors) // 10]
    return max(SHORTEST, int(np.argmax(errors <= level)) - 1)


def _accumulated(iterations: int) -> Floats:
    """Return the sum of the step sizes up to each iteration, except for a constant factor."""
    sums: Floats = np.cumsum(np.arange(1.0, iterations + 1) ** -POWER)
    return sums


def _rates(errors: Floats, iterations: slice) -> Floats:
    """Return how fast ln(error) falls with the sum of the step sizes, shape (repetitions,)."""
    sums = _accumulated(iterations.stop - 1)[iterations.start - 1 :]
    rates: Floats = -np.polyfit(sums, np.log(errors[:, iterations]).T, 1)[0]
    return rates


def _late_fall(errors: Floats) -> Number:
    """Return the factor by which the mean error falls in the last decade of iterations."""
    return ratio(errors[:, errors.shape[1] // 10], errors[:, -1])
