"""A trial checks a user's objective on a few rows of the data before training.

A few dozen calls check all assumptions of distributed training: results have the right shape,
depend on the arguments only and are sums over rows, and `degree` and `curvature` are true. A trial
can only refute an assumption; one that holds on these rows may fail on others.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError
from coded_dgd.problems import evaluation
from coded_dgd.problems.evaluation import is_built_in
from coded_dgd.problems.objectives import LinearModel, Objective, follows_slope
from coded_dgd.problems.preparation import prepare
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

ROWS = 8
"""Number of rows in each of the two blocks, unless rows are long."""
NUMBERS = 1 << 19
"""Maximum number of values in a block of more than one row."""
MARGIN = 0.5
"""Largest x^T beta of these rows at the points of the trial."""
FAR = 1e3
"""Scale, in multiples of `MARGIN` and the largest label, of the far point of the degree check."""
CLOSE = 1e-5
"""Relative tolerance of identities, which also suits single precision."""
SEED = 0
"""Seed of the initial parameters of the trial."""
SAME = 1e-12
"""Relative tolerance of two results for the same arguments."""


def admit(
    objective: Objective,
    source: Source,
    instead: str = "",
    intercept: bool = False,
    standardize: bool = False,
) -> Source:
    """Try the objective, and return the data as `prepare` makes them for it.

    Parameters
    ----------
    instead : str
        Further remedy that errors name if the gradient is not of the declared degree.
    intercept, standardize : bool
        See `prepare`.

    Raises
    ------
    DataError
        If the labels are invalid for the objective.
    UsageError
        If the objective breaks its declarations, or does not suit the other arguments; one line
        names the objective and the correction.
    """
    data = prepare(source, objective, intercept, standardize)
    if not is_built_in(objective):
        trial = Trial(objective, data, instead)
        trial.run()
        if data.weights is not None:
            trial.weigh()
    return data


def weights_fault(problem: Problem) -> str | None:
    """Return the fault of a gradient that ignores the weights of rows; None if it has none."""
    if is_built_in(problem.objective):
        return None
    return Trial(problem.objective, problem.source).weights_fault()


class Block(NamedTuple):
    """A block has some rows and their labels."""

    X: Floats
    y: Floats


class Trial:
    """A trial calls an objective with two blocks of rows of the data.

    Each call has its own copies of the arguments.

    Parameters
    ----------
    objective : Objective
        The objective to try; the trial uses a copy of it if it can be copied.
    source : Source
    instead : str
        Further remedy that errors name if the gradient is not of the declared degree.
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
        """Refuse an objective that breaks its declarations.

        Raises
        ------
        UsageError
            If any check fails; the message names the first fault.
        """
        self._start()
        self._repeat()
        self._add_up()
        if self._original.degree == 2:
            self._be_quadratic()
        if self._original.curvature is not None:
            self._be_curved()
        evaluation.scores(self._objective, *self._first, self._beta)

    def weigh(self) -> None:
        """Refuse an objective that cannot be used with sample weights.

        Raises
        ------
        UsageError
            A method ignores weights, or does not take them.
        """
        if self.weights_fault():
            self._refuse(
                "its gradient ignores its weights, which sample weights need: multiply the "
                "gradient of each row by its weight"
            )
        own = self._objective
        methods = [own.loss] if type(own).scores is Objective.scores else [own.loss, own.scores]
        for method in methods:
            try:
                signature(method).bind(*self._first, self._beta, None)
            except TypeError:
                self._refuse(
                    f"its {method.__name__} takes no weights, which sample weights need: add a "
                    "parameter weights, the factor of each row"
                )
        X, y = self._first
        weights = np.resize([1.5, 0.5], len(y))
        rows = [self._loss(Block(X[[i]], y[[i]]), self._beta) for i in range(len(y))]
        found = evaluation.loss(own, X.copy(), y.copy(), self._beta, weights)
        if not _close(found, float(weights @ rows), *rows):
            self._refuse(
                "its loss ignores its weights: multiply the loss of each row by its weight"
            )

    def weights_fault(self) -> str | None:
        """Return the fault of a gradient that ignores the weights of rows; None if it has none."""
        X, y = self._first
        weights = np.resize([1.5, -0.5], len(y))  # gradient coding has negative weights
        rows = [self._gradient(Block(X[[i]], y[[i]]), self._beta) for i in range(len(y))]
        found = self._gradient(self._first, self._beta, weights)
        if _close(found, weights @ rows, *rows):
            return None
        return f"the gradient of objective {type(self._original).__name__} ignores its weights"

    def _start(self) -> None:
        """Check that results at the initial parameters are finite and have the right shape.

        The initial parameters must be the same for each call with the same seed.
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
            self._keep_shapes(self._objective, start)
        if not np.isfinite(self._gradient(self._first, start)).all():
            self._refuse(f"the gradient {where} is not finite")
        if not np.isfinite(self._loss(self._first, start)):
            self._refuse(f"the loss {where} is not finite")

    def _keep_shapes(self, objective: LinearModel, start: Floats) -> None:
        """Check that slopes have the shape of the margins, and that each row has one loss."""
        margins = objective.margins(self._first.X, start)
        evaluation.slope(objective, margins.copy(), self._first.y.copy())
        if type(objective).loss is LinearModel.loss:
            evaluation.losses(objective, margins, self._first.y.copy())

    def _repeat(self) -> None:
        """Check that the gradient of a block does not depend on earlier calls in that memory."""
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
        """Return gradients of blocks written to the same arrays in turn, as on a worker."""
        X, y, point = (np.empty_like(each) for each in (*self._first, self._beta))
        found = []
        for block, beta in calls:
            X[:], y[:], point[:] = *block, beta
            with np.errstate(all="ignore"):
                found.append(evaluation.gradient(objective, X, y, point, None).astype(np.float64))
        return found

    def _add_up(self) -> None:
        """Check that gradient and loss are sums over rows."""
        both = Block(*map(np.concatenate, zip(self._first, self._second, strict=True)))
        gradients = [self._gradient(each, self._beta) for each in (both, self._first, self._second)]
        losses = [self._loss(each, self._beta) for each in (both, self._first, self._second)]
        for what, (whole, *parts) in (("gradient", gradients), ("loss", losses)):
            if not _close(whole, sum(parts), *parts):
                self._refuse(
                    f"the {what} of some rows is not the sum of those of its parts, as blocks on "
                    "different workers need: sum over the rows, do not average, and leave a term "
                    "of beta alone to --ridge"
                )

    def _be_quadratic(self) -> None:
        """Check that gradient and loss are of degree 2, see `Objective.degree`."""
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
        """Check that the gradient changes along a step no faster than `curvature` allows."""
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
    """Append the occasion to the message of a UsageError."""
    try:
        yield
    except UsageError as error:
        error.args = (f"{error}, {occasion}",)
        raise


def _copied(objective: Objective) -> Objective | None:
    try:
        return copy.deepcopy(objective)
    except Exception:  # a user's attributes may raise anything
        return None


def _blocks(source: Source) -> tuple[Block, Block]:
    """Return two blocks of rows spread over the data; a single row, and the half of that row."""
    count = max(1, min(ROWS, NUMBERS // source.features))
    places = np.linspace(0, source.rows - 1, 2 * count).astype(int).tolist()
    X, y = map(np.concatenate, zip(*(source.read(row, row + 1) for row in places), strict=True))
    if source.rows == 1:
        X[1::2] /= 2
    return Block(X[::2], y[::2]), Block(X[1::2], y[1::2])


def _scaled(direction: Floats, X: Floats) -> Floats:
    """Return the point in this direction at which the largest x^T beta is `MARGIN`.

    If the parameters do not correspond to the columns, the largest x^T beta is replaced by the
    product of the norms of x and the direction.
    """
    if len(direction) == X.shape[1]:
        largest = float(np.abs(X @ direction).max())
    else:
        largest = float(np.linalg.norm(X, axis=1).max() * np.linalg.norm(direction))
    return direction * (MARGIN / largest) if largest else direction


def _stretched(step: Floats, X: Floats) -> float:
    """Return ||X step||^2, or its upper bound if parameters do not correspond to columns."""
    if len(step) == X.shape[1]:
        return float(np.sum((X @ step) ** 2))
    return float(np.linalg.norm(X, 2) ** 2 * (step @ step))


def _close(found: Floats | float, expected: Floats | float, *terms: Floats | float) -> bool:
    """Return whether two results agree up to rounding in `terms`, or a term is not finite."""
    scale = max(float(np.abs(term).max()) for term in terms)
    return not np.isfinite(scale) or bool(np.abs(found - expected).max() <= CLOSE * scale)


def _same(one: Floats, other: Floats) -> bool:
    scale = float(np.abs(one).max())
    return not np.isfinite(scale) or bool(np.abs(one - other).max() <= SAME * scale)
