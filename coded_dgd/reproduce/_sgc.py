"""This module runs the experiment of the SGC paper (Bitar et al., Section V-A).

It also compares the means of its errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from coded_dgd import schemes
from coded_dgd.problems import objectives, step_sizes
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.report.figure import Series
from coded_dgd.reproduce.base import Figure, Number, Verdict
from coded_dgd.schemes._stochastic import StochasticScheme
from coded_dgd.schemes.base import Bools, Floats
from coded_dgd.theory.stochastic_training import iterates

SGC, BGC, ERASUREHEAD = "SGC", "BGC", "ErasureHead"
IGNORE, SEND_ALL = "Ignore-Stragglers-SGD", "SGC-Send-All"
PRINTED = "SGC-Send-All, normalised as printed"
UNBIASED = "ErasureHead, unbiased (ours)"

ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    SGC: ("sgc", {}),
    BGC: ("bgc", {}),
    ERASUREHEAD: ("erasurehead", {}),
    IGNORE: ("ignore-stragglers", {}),
    SEND_ALL: ("sgc-send-all", {"normalisation": "per-block"}),
    PRINTED: ("sgc-send-all", {"normalisation": "printed"}),
    UNBIASED: ("erasurehead", {"normalisation": "per-block"}),
}
"""Scheme and its options by label, as in Table I.

SGC-Send-All occurs twice: unbiased, as the lower bound that the paper shows, and as printed.
ErasureHead occurs a second time without the bias that it has as printed; this variant is ours.
"""

LIKE = {PRINTED: SEND_ALL, UNBIASED: ERASUREHEAD}
"""Algorithm of which each variant is one, by label."""

POWER = 0.7
STEP_SIZE = "power-law"
"""Step size gamma_t = 7 ln(10^100) / t^0.7, divided by m ||X^T X||; as printed it diverges."""

STRAGGLERS = tuple(b"stragglers of the SGC paper")  # key of a separate random stream
AT_ONCE = 50  # iterations

SIGNIFICANT = 3
"""Number of standard errors by which means have to differ.

With 10 repetitions chance reaches it with probability 0.7 %.
"""

LESS = f"and over these p together by {SIGNIFICANT} standard errors of the mean log ratio"
"""Condition of `is_less` in addition to a lower mean at every p, as text."""


class TrainingCase(NamedTuple):
    """A training case is an algorithm and the probability p that a worker is a straggler."""

    algorithm: str
    p: float


@dataclass(frozen=True)
class Experiment:
    """The experiment repeats training on synthetic data.

    Repetition k has the data and the assignment of ``coded-dgd run --seed S`` with S = 10 seed + k.
    Its stragglers are the same for all algorithms; a straggler at p is one at every larger p as
    well.
    """

    rows: int = 1000
    features: int = 100
    workers: int = 100
    redundancy: int = 2
    iterations: int = 5000
    repetitions: int = 10

    def run(self, seed: int, repetition: int, cases: Sequence[TrainingCase]) -> Floats:
        """Return ||beta_t - beta*||^2 for every case and t = 0, ..., T, shape (cases, T + 1).

        beta_0 is 0; beta* is the least-squares solution.
        """
        seed = 10 * seed + repetition
        source = open_source(f"synthetic:rows={self.rows},features={self.features}", seed)
        problem = Problem(source, objectives.create("least-squares"))
        X, y = source.read(0, self.rows)
        optimum = problem.optimum()
        assert optimum is not None
        schedule = step_sizes.parse(STEP_SIZE)(problem)
        fitted = [self._scheme(case, seed, problem) for case in cases]
        patterns = self._patterns(seed, [case.p for case in cases])
        errors = np.empty((len(cases), self.iterations + 1))
        errors[:, 0] = optimum @ optimum
        for t, beta in enumerate(iterates(X, y, schedule, fitted, patterns), start=1):
            errors[:, t] = ((beta - optimum) ** 2).sum(axis=1)
        return errors

    def _scheme(self, case: TrainingCase, seed: int, problem: Problem) -> StochasticScheme:
        name, options = ALGORITHMS[case.algorithm]
        redundancy = None if case.algorithm == IGNORE else self.redundancy
        scheme = schemes.create(
            name, self.workers, seed=seed, p=str(case.p), redundancy=redundancy, **options
        )
        assert isinstance(scheme, StochasticScheme)
        scheme.fit(self.rows, problem.block_norms)
        return scheme

    def _patterns(self, seed: int, p: Sequence[float]) -> Iterator[Bools]:
        """Yield whether workers have finished, shape (cases, some iterations, M).

        Each worker finishes independently with probability 1 - p.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=STRAGGLERS))
        for start in range(0, self.iterations, AT_ONCE):
            drawn = rng.random((min(AT_ONCE, self.iterations - start), self.workers))
            yield drawn >= np.array(p)[:, None, None]


class SGCFigure(Figure[Floats]):
    """The parts of such a figure are the repetitions of the experiment."""

    def __init__(self, seed: int = 0, quick: bool = False) -> None:
        super().__init__(seed, quick)
        self.experiment = Experiment(iterations=500, repetitions=3) if quick else Experiment()

    @property
    def parameters(self) -> dict[str, Any]:
        return asdict(self.experiment) | {"step size": STEP_SIZE}

    @property
    def parts(self) -> int:
        return self.experiment.repetitions


# Means over repetitions. Axis 0 of each array is the repetition; paired arrays share repetitions.


def mean(samples: Floats) -> tuple[Floats, Floats]:
    """Return the mean over repetitions and its standard error."""
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / len(samples) ** 0.5


def averaged(label: str, x: ArrayLike, samples: Floats, like: str | None = None) -> Series:
    """Return the curve of the means, with their standard errors."""
    return Series(label, np.asarray(x, dtype=np.float64), *mean(samples), like=like)


def ratio(a: Floats, b: Floats) -> Number:
    """Return the ratio of the means of a and b, shape (repetitions,), with its standard error."""
    value = a.mean() / b.mean()
    return Number(float(value), abs(float(mean(a - value * b)[1] / b.mean())))


def is_less(a: Floats, b: Floats, factor: float = 1.0) -> Verdict:
    """Decide whether b is more than `factor` times a, for positive (repetitions, cases) arrays.

    The result is True if it holds for every mean over the repetitions, and the mean of
    ln(factor a/b) over all cases is below 0 by `SIGNIFICANT` standard errors. It is False if that
    mean, or that of any case, is above 0 by as much. Otherwise it is None.
    """
    a = factor * a
    logarithms = np.log(a / b)
    together = _standard_errors(logarithms.mean(axis=1))
    if together <= -SIGNIFICANT and (a.mean(axis=0) < b.mean(axis=0)).all():
        return True
    return False if max(together, *_standard_errors(logarithms)) >= SIGNIFICANT else None


def _standard_errors(samples: Floats) -> Floats:
    """Return the mean over repetitions, in standard errors."""
    value, standard_error = mean(samples)
    in_errors: Floats = value / standard_error
    return in_errors
