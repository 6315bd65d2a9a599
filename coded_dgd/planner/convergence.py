"""Short runs on a sample predict how many iterations optimizers and schemes need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.planner.descent import Begin, beginning, choice, descend
from coded_dgd.planner.observations import Bools, Floats
from coded_dgd.problems import evaluation
from coded_dgd.problems.norms import norm
from coded_dgd.problems.objectives import follows_slope
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource, Source
from coded_dgd.schemes.base import ReplicationScheme, Scheme

SAMPLE_ROWS = 2000
"""Largest number of rows of a sample."""
SAMPLE_BYTES = 2**24
"""Largest size of a sample in bytes."""
CHUNKS = 20
"""Number of places in the data from which a sample is read."""
LONGEST = 1000
"""Largest number of iterations of a short run."""
FACTOR = 3.0
"""Iterations tried, as a multiple of the number that exact gradients need."""
ROUNDING = 1e-12
"""Relative gradient norm below which differences are rounding errors."""
PATTERNS = 32
"""Number of arrival patterns, which are used repeatedly in random order."""


def sample(source: Source) -> ArraySource:
    """Return a sample of rows from all parts of the data; all rows if they are few."""
    wanted = max(1, min(source.rows, SAMPLE_ROWS, SAMPLE_BYTES // (8 * source.features)))
    chunks = Partition(source.rows, min(CHUNKS, wanted))
    whole = wanted == source.rows
    starts = [0] if whole else [chunks.bounds(chunk)[0] for chunk in range(chunks.blocks)]
    size = wanted if whole else wanted // chunks.blocks
    parts = [source.read(start, start + size) for start in starts]
    X, y = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    found = ArraySource(source.name, X, y, "a sample in memory")
    found.intercept = source.intercept
    if source.weights is not None:
        rows = np.concatenate([np.arange(start, start + size) for start in starts])
        found.weights = source.weights[rows]
    return found


class Race:
    """A race runs an optimizer on a sample, with exact and with approximate gradients.

    Parameters
    ----------
    problem : Problem
        Problem on the sample.
    rows : int
        Number of rows of the data.
    optimizer : str
        Name of the optimizer.
    step_size : str
        Step size as of ``--step-size``, for the data.
    iterations : int
        Number T of iterations with exact gradients.
    target : float, optional
        Target ||gradient|| / ||first gradient||. By default the value after T exact iterations.
    whole : bool
        Whether gradients are of all rows. Those of mini-batches are approximate for the optimizer.

    Raises
    ------
    Infeasible
        If exact gradients do not reach the target, or the optimizer does not suit the problem.
    """

    def __init__(
        self,
        problem: Problem,
        rows: int,
        optimizer: str,
        step_size: str,
        iterations: int,
        target: float | None = None,
        seed: int = 0,
        whole: bool = True,
    ) -> None:
        self.problem, self.optimizer, self.seed = problem, optimizer, seed
        self._rows, self._step_size, self._whole = rows, step_size, whole
        self._X, self._y = problem.source.read(0, problem.source.rows)
        longest = iterations + 1 if target is None else max(iterations, LONGEST)
        norms = descend(self._begin(exact=True)(), problem, target or 0.0, longest)
        self.target = max(float(norms[-1]), ROUNDING) if target is None else target
        if norms[-1] > self.target:
            raise Infeasible(
                f"--target {target:g}: exact gradients are at {norms[-1]:.2g} of the first after "
                f"{longest} iterations: use a larger target, or another --step-size or --optimizer"
            )
        self.iterations = iterations if target is None else len(norms)
        """Number of iterations with exact gradients until one of them is at the target."""

    def _begin(self, *, exact: bool) -> Begin:
        """Return what makes the optimizer for schemes whose gradients are exact or approximate."""
        if self._whole:
            chosen = choice(self.optimizer, self.problem, exact=exact)
        else:
            chosen = choice(self.optimizer, self.problem, exact=False, who="mini-batches")
        return beginning(chosen, self.problem, self._rows, self._step_size, self.seed)

    def _slope(self, point: Floats) -> Floats:
        """Return the derivative of each row's loss: (outputs, m), or (m,) for one output."""
        objective = self.problem.objective
        assert follows_slope(objective)
        margins = objective.margins(self._X, point)
        slope: Floats = evaluation.slope(objective, margins, self._y).astype(np.float64).T
        weights = self.problem.source.weights
        return slope if weights is None else slope * weights

    def _gradient(self, slope: Floats, point: Floats) -> Floats:
        gradient: Floats = (slope @ self._X).ravel() + self.problem.ridge * point
        return gradient

    def run(self, schemes: Sequence[Scheme], arrivals: Sequence[Bools]) -> list[float]:
        """Return the number of iterations to the target for each scheme; inf if it misses it.

        It is also inf if gradients of the sample do not determine what the optimizer does.

        Parameters
        ----------
        arrivals : for each scheme, (patterns, M, J) bools
            Messages that had arrived when the iteration was complete.

        Raises
        ------
        Infeasible
            If the optimizer needs exact gradients.
        """
        if not schemes:
            return []
        begin = self._begin(exact=False)
        if not follows_slope(self.problem.objective) or begin().needs_loss:
            return [inf] * len(schemes)
        weights = [self._row_weights(s, a) for s, a in zip(schemes, arrivals, strict=True)]
        rng = np.random.default_rng(self.seed)
        found = [inf] * len(schemes)
        racing = {k: begin() for k in range(len(schemes))}
        first = norm(self.problem.gradient(self.problem.start(self.seed))) or 1.0
        for iteration in range(round(min(LONGEST, max(50, FACTOR * self.iterations))) + 1):
            for k, optimizer in list(racing.items()):
                point = optimizer.point
                with np.errstate(over="ignore", invalid="ignore"):
                    slope = self._slope(point)
                    size = norm(self._gradient(slope, point)) / first
                    if size <= self.target:
                        found[k] = float(max(iteration, 1))
                    if found[k] < inf or not size < 1e6:
                        del racing[k]
                        continue
                    slope = slope * weights[k][rng.integers(len(weights[k]))]
                    optimizer.update(self._gradient(slope, point))
        return found

    def _row_weights(self, scheme: Scheme, arrived: Bools) -> Floats:
        """Return the factor of each row's gradient in the decoded sum, for every pattern."""
        partition = Partition(self.problem.source.rows, scheme.blocks)
        heights = [np.subtract(*partition.bounds(b)[::-1]) for b in range(scheme.blocks)]
        return np.repeat(block_factors(scheme, arrived), heights, axis=1)


class Outlook(NamedTuple):
    """An outlook says how many iterations with exact gradients an optimizer needs."""

    optimizer: str
    iterations: int | None
    """Number of iterations to the target; None if it is not reached."""
    reason: str | None = None
    """Why it is not reached."""


def soonest(names: Sequence[str], race: Callable[[str], Race]) -> tuple[Race, list[Outlook]]:
    """Return the race of the optimizer that needs the fewest iterations, and all outlooks.

    Parameters
    ----------
    names : sequence of str
        Names of the optimizers.
    race : callable
        Returns the race of an optimizer; the races have the same target.

    Raises
    ------
    Infeasible
        If no optimizer reaches the target.
    """
    races: list[Race] = []
    outlooks: list[Outlook] = []
    for name in names:
        try:
            found = race(name)
        except Infeasible as error:
            if len(names) == 1:
                raise
            outlooks.append(Outlook(name, None, str(error)))
        else:
            races.append(found)
            outlooks.append(Outlook(name, found.iterations))
    if not races:
        reasons = "; ".join(f"{each.optimizer}: {each.reason}" for each in outlooks)
        raise Infeasible(f"none of the optimizers reaches the target: {reasons}")
    return min(races, key=lambda each: each.iterations), outlooks


def block_factors(scheme: Scheme, arrived: Bools) -> Floats:
    """Return the factor of each block's gradient in the decoded sum, for every pattern.

    Parameters
    ----------
    scheme : ReplicationScheme
    arrived : (patterns, M, J) bools
        Arrival patterns, from which the scheme also learns.

    Returns
    -------
    (patterns, N) array
    """
    assert isinstance(scheme, ReplicationScheme)
    learnt = scheme.learnt()
    for pattern in arrived:
        learnt.observe(pattern)
    return scheme.block_factors(arrived, learnt)
