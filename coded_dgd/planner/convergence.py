"""Short runs on a sample predict how many iterations approximate gradients need."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.planner.observations import Bools, Floats
from coded_dgd.problems import evaluation, optimizers
from coded_dgd.problems.norms import norm
from coded_dgd.problems.objectives import follows_slope
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource, Source
from coded_dgd.problems.step_sizes import StepSizeRule
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
    size = wanted // chunks.blocks
    if wanted == source.rows:
        X, y = source.read(0, source.rows)
    else:
        starts = [chunks.bounds(chunk)[0] for chunk in range(chunks.blocks)]
        parts = [source.read(start, start + size) for start in starts]
        X, y = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    found = ArraySource(source.name, X, y, "a sample in memory")
    found.intercept = source.intercept
    return found


class Race:
    """A race runs gradient descent on a sample, with exact and with approximate gradients.

    Parameters
    ----------
    problem : Problem
        Problem on the sample.
    step_size : StepSizeRule
        Rule for the step sizes.
    optimizer : str
        Name of the optimizer.
    iterations : int
        Number T of iterations with exact gradients.
    target : float, optional
        Target ||gradient|| / ||first gradient||. By default the value after T exact iterations.

    Raises
    ------
    Infeasible
        If exact gradients do not reach the target.
    """

    def __init__(
        self,
        problem: Problem,
        step_size: StepSizeRule,
        optimizer: str,
        iterations: int,
        target: float | None = None,
        seed: int = 0,
    ) -> None:
        self.problem, self.seed = problem, seed
        self._start = problem.start(seed)
        self._optimizer, self._schedule = optimizers.find(optimizer), step_size(problem)
        self._X, self._y = problem.source.read(0, problem.source.rows)
        longest = iterations if target is None else max(iterations, LONGEST)
        norms = self._exact(longest, target or 0.0)
        self.target = max(float(norms[-1]), ROUNDING) if target is None else target
        if norms[-1] > self.target:
            raise Infeasible(
                f"--target {target:g}: exact gradients are at {norms[-1]:.2g} of the first after "
                f"{longest} iterations: use a larger target, or another --step-size or --optimizer"
            )
        self.iterations = iterations if target is None else max(len(norms) - 1, 1)
        """Number of iterations that exact gradients need to reach the target."""

    def _slope(self, points: Floats) -> Floats:
        """Return the slopes of the losses at points, of shape (points, K, rows)."""
        objective = self.problem.objective
        assert follows_slope(objective)
        margins: Floats = (points.reshape(-1, self._X.shape[1]) @ self._X.T).reshape(
            len(points), objective.outputs, -1
        )
        slopes = [
            evaluation.slope(objective, z[0] if len(z) == 1 else z.T, self._y).T for z in margins
        ]
        return np.array(slopes, np.float64).reshape(margins.shape)

    def _gradients(self, slope: Floats) -> Floats:
        """Return the gradients of schemes, of shape (schemes, p), without the ridge."""
        gradients: Floats = slope.reshape(-1, self._X.shape[0]) @ self._X
        return gradients.reshape(len(slope), -1)

    def _exact(self, longest: int, target: float) -> Floats:
        """Return the norms of exact gradients, relative to the first, up to the target."""
        norms: list[float] = []
        optimizer = self._optimizer(self._start, self._schedule)
        for _ in range(longest + 1):
            with np.errstate(over="ignore", invalid="ignore"):
                gradient = self.problem.gradient(optimizer.point)
                norms.append(norm(gradient))
                if norms[-1] <= target * norms[0]:
                    break
                optimizer.update(gradient)
        if not np.isfinite(norms[-1]):
            raise Infeasible("gradient descent diverges with this --step-size: use auto, or less")
        return np.array(norms) / (norms[0] or 1.0)

    def run(self, schemes: Sequence[Scheme], arrivals: Sequence[Bools]) -> list[float]:
        """Return the number of iterations to the target for each scheme; inf if it misses it.

        Parameters
        ----------
        arrivals : for each scheme, (patterns, M, J) bools
            Messages that had arrived when the iteration was complete.
        """
        if not schemes:
            return []
        if not follows_slope(self.problem.objective):
            return [inf] * len(schemes)
        weights = [self._row_weights(s, a) for s, a in zip(schemes, arrivals, strict=True)]
        rng = np.random.default_rng(self.seed)
        racing = list(range(len(schemes)))
        found = [inf] * len(schemes)
        ridge = self.problem.ridge
        runs = [self._optimizer(self._start, self._schedule) for _ in schemes]
        first = norm(self.problem.gradient(self._start)) or 1.0
        for iteration in range(round(min(LONGEST, max(50, FACTOR * self.iterations))) + 1):
            points = np.array([runs[k].point for k in racing])
            with np.errstate(over="ignore", invalid="ignore"):
                slope = self._slope(points)
                exact = self._gradients(slope) + ridge * points
                norms = np.linalg.norm(exact / first, axis=1)
                for k in [k for k, norm in zip(racing, norms, strict=True) if norm <= self.target]:
                    found[k] = float(max(iteration, 1))
                alive = [
                    found[k] == inf and norm < 1e6 for k, norm in zip(racing, norms, strict=True)
                ]
                racing = [k for k, still in zip(racing, alive, strict=True) if still]
                if not racing:
                    break
                slope, points = slope[alive], points[alive]
                for row, k in enumerate(racing):
                    slope[row] *= weights[k][rng.integers(len(weights[k]))]
                gradients = self._gradients(slope) + ridge * points
                for k, gradient in zip(racing, gradients, strict=True):
                    runs[k].update(gradient)
        return found

    def _row_weights(self, scheme: Scheme, arrived: Bools) -> Floats:
        """Return the factor of each row's gradient in the decoded sum, for every pattern."""
        partition = Partition(self.problem.source.rows, scheme.blocks)
        heights = [np.subtract(*partition.bounds(b)[::-1]) for b in range(scheme.blocks)]
        return np.repeat(block_factors(scheme, arrived), heights, axis=1)


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
