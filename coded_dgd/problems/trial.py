"""A trial of an objective of one's own on a few rows, before training: is it what it declares?

Everything that distributed training takes for granted is tried with a few dozen calls: results of
the right shape, from the arguments alone, that are sums over rows; and what `degree` and
`curvature` say. A trial can only refute: what holds on these rows may fail on others.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError
from coded_dgd.problems import evaluation, labels
from coded_dgd.problems.evaluation import is_built_in
from coded_dgd.problems.objectives import Objective, follows_slope
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

ROWS = 8
"""Rows in each of two blocks, unless they are long."""
NUMBERS = 1 << 19
"""Numbers in a block, at most, where there is more than one row."""
MARGIN = 0.5
"""Largest x^T beta of these rows, at the points that are tried."""
FAR = 1e3
"""The same in multiples of the labels, where the gradient is to be affine in beta everywhere."""
CLOSE = 1e-5
"""Relative error of what holds: also of an objective that computes in single precision."""
SEED = 0
"""Of the parameters that training starts with, here."""
SAME = 1e-12
"""Relative difference of two results for the same arguments."""


def admit(objective: Objective, source: Source, instead: str = "") -> Source:
    """Return the data with labels as the objective trains with them, after it has been tried.

    Parameters
    ----------
    instead : str
        What else to do where the gradient is not of the degree that is declared.

    Raises
    ------
    DataError
        If the labels are none of this objective's.
    UsageError
        If the objective is not what it declares: one line that names it, and says what to correct.
    """
    data = labels.encoded(source, objective)
    if not is_built_in(objective):
        Trial(objective, data, instead).run()
    return data


def weights_fault(problem: Problem) -> str | None:
    """Return what is wrong with how the gradient takes weights of rows, if anything is."""
    if is_built_in(problem.objective):
        return None
    return Trial(problem.objective, problem.source).weights_fault()


class Block(NamedTuple):
    """Some rows and their labels."""

    X: Floats
    y: Floats


class Trial:
    """Calls an objective with two blocks of rows of the data; each call with copies of its own.

    Parameters
    ----------
    objective : Objective
        Left alone if it can be copied.
    source : Source
    instead : str
        What else to do where the gradient is not of the degree that is declared.
    """

    def __init__(self, objective: Objective, source: Source, instead: str = "") -> None:
        self._original, self._instead = objective, instead
        self._objective = _copied(objective) or objective
        self._first, self._second = _blocks(source)
        rng = np.random.default_rng(0)
        X = np.vstack([self._first.X, self._second.X])
        size = evaluation.size(self._objective, X.shape[1])
        self._beta, self._other = (_scaled(rng.standard_normal((size,)), X) for _ in range(2))

    def run(self) -> None:
        """Refuse an objective that is not what it declares.

        Raises
        ------
        UsageError
            With the first thing that is wrong.
        """
        self._start()
        self._repeat()
        self._pad()
        self._add_up()
        if self._original.degree == 2:
            self._be_quadratic()
        if self._original.curvature is not None:
            self._be_curved()
        evaluation.scores(self._objective, *self._first, self._beta)

    def weights_fault(self) -> str | None:
        """Return what is wrong with how the gradient takes weights of rows, if anything is."""
        X, y = self._first
        weights = np.resize([1.5, -0.5], len(y))  # of gradient coding some are negative
        rows = [self._gradient(Block(X[[i]], y[[i]]), self._beta) for i in range(len(y))]
        found = self._gradient(self._first, self._beta, weights)
        if _close(found, weights @ rows, *rows):
            return None
        return f"the gradient of objective {type(self._original).__name__} ignores its weights"

    def _start(self) -> None:
        """Where training starts results are finite numbers of the right shape.

        That is beta = 0, or the same parameters whenever they are asked for.
        """
        features = self._first.X.shape[1]
        start, again = (evaluation.start(self._objective, features, SEED) for _ in range(2))
        if not np.array_equal(start, again):
            self._refuse(
                "start returns other numbers for the same seed: draw them from "
                "numpy.random.default_rng(seed)"
            )
        where = "where training starts" if start.any() else "at beta = 0, where training starts,"
        if follows_slope(self._objective):
            evaluation.slope(self._objective, np.zeros(len(self._first.y)), self._first.y.copy())
        if not np.isfinite(self._gradient(self._first, start)).all():
            self._refuse(f"the gradient {where} is not finite")
        if not np.isfinite(self._loss(self._first, start)):
            self._refuse(f"the loss {where} is not finite")

    def _repeat(self) -> None:
        """A block gives the same gradient whatever has been computed before, in the same memory."""
        first, second = (self._first, self._beta), (self._second, self._other)
        there = self._in_turn(self._objective, [first, second, first])
        same = _same(there[0], there[2])
        if same and (fresh := _copied(self._original)):
            back = self._in_turn(fresh, [second, first])
            same = _same(there[0], back[1]) and _same(there[1], back[0])
        if not same:
            self._refuse(
                "the same rows give another gradient after other rows, so it keeps something "
                "between calls, or draws random numbers: compute gradients from the arguments alone"
            )

    def _in_turn(self, objective: Objective, calls: Sequence[tuple[Block, Floats]]) -> list[Floats]:
        """Gradients of blocks that take turns in the same arrays, as in a worker's memory."""
        X, y, point = (np.empty_like(each) for each in (*self._first, self._beta))
        found = []
        for block, beta in calls:
            X[:], y[:], point[:] = *block, beta
            with np.errstate(all="ignore"):
                found.append(evaluation.gradient(objective, X, y, point, None).astype(np.float64))
        return found

    def _pad(self) -> None:
        """Rows of zeros contribute nothing to the gradient."""
        zeros = Block(np.zeros_like(self._first.X), np.zeros_like(self._first.y))
        with _explained("for rows of zeros with label 0, which fill up blocks"):
            gradient = self._gradient(zeros, self._beta)
        scale = np.abs(self._gradient(self._first, self._beta)).max()
        if not np.abs(gradient).max() <= SAME * scale:
            self._refuse(
                "rows of zeros with label 0, which fill up blocks, change its gradient: have each "
                "row contribute a multiple of x, and leave a term of beta alone to --ridge"
            )

    def _add_up(self) -> None:
        """Gradient and loss are sums over rows."""
        both = Block(*map(np.concatenate, zip(self._first, self._second, strict=True)))
        gradients = [self._gradient(each, self._beta) for each in (both, self._first, self._second)]
        losses = [self._loss(each, self._beta) for each in (both, self._first, self._second)]
        for what, (whole, *parts) in (("gradient", gradients), ("loss", losses)):
            if not _close(whole, sum(parts), *parts):
                self._refuse(
                    f"the {what} of some rows is not the sum of those of its parts, as blocks on "
                    "different workers need: sum over the rows, do not average"
                )

    def _be_quadratic(self) -> None:
        """Gradient and loss are those of degree 2, see `Objective.degree`."""
        X, zero = self._first.X, np.zeros_like(self._beta)
        start = self._gradient(self._first, zero)
        far = _scaled(self._other, X) * max(1.0, np.abs(self._first.y).max()) * FAR
        for beta in (self._beta, far):
            labelled, plain = self._gradient(self._first, beta), self._unlabelled(X, beta)
            if not _close(labelled - plain, start, labelled, plain, start):
                self._refuse_degree("labels add a term to its gradient that depends on beta")
            other, both = (self._unlabelled(X, each) for each in (self._other, beta + self._other))
            if not _close(both, plain + other, plain, other):
                self._refuse_degree("without labels its gradient is not linear in beta")
            second = self._unlabelled(self._second.X, beta)
            for t in (1, 2, 3):
                ends = [self._unlabelled(X + s * t * self._second.X, beta) for s in (1, -1)]
                if not _close(sum(ends), 2 * plain + 2 * t**2 * second, *ends, plain, second):
                    self._refuse_degree("without labels its gradient is no quadratic form in X")
        loss, before = self._loss(self._first, self._beta), self._loss(self._first, zero)
        rise = self._beta @ (self._gradient(self._first, self._beta) + start) / 2
        if not _close(loss - before, rise, loss, before, rise):
            self._refuse(
                f"its loss rises by {loss - before:.6g} where its gradient makes that {rise:.6g}: "
                "have gradient return the derivative of loss"
            )

    def _refuse_degree(self, fault: str) -> NoReturn:
        self._refuse(f"degree = 2, but {fault}: leave degree = None{self._instead}")

    def _be_curved(self) -> None:
        """The gradient changes along a step no faster than `curvature` allows."""
        limit, X = float(self._original.curvature or 0.0), self._first.X
        for beta in (np.zeros_like(self._beta), self._beta, -self._other):
            for step in (self._beta / 10, self._other, -self._other):
                begin, end = (self._gradient(self._first, point) for point in (beta, beta + step))
                rise, most = step @ (end - begin), limit * _stretched(step, X)
                slack = CLOSE * (most + np.abs(step) @ (np.abs(begin) + np.abs(end)))
                if rise > most + slack:
                    found = limit * rise / most if most else np.inf
                    self._refuse(
                        f"curvature = {limit:g}, but the second derivative of its loss reaches "
                        f"{found:.3g}: declare a bound of that, or None"
                    )

    def _unlabelled(self, X: Floats, beta: Floats) -> Floats:
        with _explained("for y = None, which degree = 2 allows"):
            return self._gradient(Block(X, self._first.y), beta, labelled=False)

    def _gradient(
        self, block: Block, beta: Floats, weights: Floats | None = None, labelled: bool = True
    ) -> Floats:
        given = (block.X, block.y if labelled else None, beta, weights)
        X, y, point, factors = copies = [None if each is None else each.copy() for each in given]
        assert X is not None and point is not None
        with np.errstate(all="ignore"):
            found = evaluation.gradient(self._objective, X, y, point, factors)
        self._refuse_changes("gradient", given, copies)
        return found.astype(np.float64)

    def _loss(self, block: Block, beta: Floats) -> float:
        given = (*block, beta)
        copies = [each.copy() for each in given]
        with np.errstate(all="ignore"):
            found = evaluation.loss(self._objective, *copies)
        self._refuse_changes("loss", given, copies)
        return found

    def _refuse_changes(
        self, method: str, before: Sequence[Floats | None], after: Sequence[Floats | None]
    ) -> None:
        for name, old, new in zip(("X", "y", "beta", "weights"), before, after, strict=False):
            if old is not None and new is not None and not np.array_equal(old, new):
                self._refuse(f"{method} changes its argument {name}: have it work on a copy")

    def _refuse(self, fault: str) -> NoReturn:
        evaluation.refuse(self._original, fault)


@contextmanager
def _explained(occasion: str) -> Iterator[None]:
    """Have a refusal say when it came about."""
    try:
        yield
    except UsageError as error:
        error.args = (f"{error}, {occasion}",)
        raise


def _copied(objective: Objective) -> Objective | None:
    try:
        return copy.deepcopy(objective)
    except Exception:  # whatever somebody's attributes may raise
        return None


def _blocks(source: Source) -> tuple[Block, Block]:
    """Two blocks of rows from all over the data; of one row, that and its half."""
    count = max(1, min(ROWS, NUMBERS // source.features))
    places = np.linspace(0, source.rows - 1, 2 * count).astype(int).tolist()
    X, y = map(np.concatenate, zip(*(source.read(row, row + 1) for row in places), strict=True))
    if source.rows == 1:
        X[1::2] /= 2
    return Block(X[::2], y[::2]), Block(X[1::2], y[1::2])


def _scaled(direction: Floats, X: Floats) -> Floats:
    """A point in this direction at which the largest x^T beta is `MARGIN`.

    Where parameters do not belong to one column each, it is the largest that x^T beta may be for
    any l of them.
    """
    if len(direction) == X.shape[1]:
        largest = float(np.abs(X @ direction).max())
    else:
        largest = float(np.linalg.norm(X, axis=1).max() * np.linalg.norm(direction))
    return direction * (MARGIN / largest) if largest else direction


def _stretched(step: Floats, X: Floats) -> float:
    """||X step||^2, or the most that it may be where parameters have no column each."""
    if len(step) == X.shape[1]:
        return float(np.sum((X @ step) ** 2))
    return float(np.linalg.norm(X, 2) ** 2 * (step @ step))


def _close(found: Floats | float, expected: Floats | float, *terms: Floats | float) -> bool:
    """Whether two results are equal but for rounding in `terms`; or one of these is not finite."""
    scale = max(float(np.abs(term).max()) for term in terms)
    return not np.isfinite(scale) or bool(np.abs(found - expected).max() <= CLOSE * scale)


def _same(one: Floats, other: Floats) -> bool:
    scale = float(np.abs(one).max())
    return not np.isfinite(scale) or bool(np.abs(one - other).max() <= SAME * scale)
