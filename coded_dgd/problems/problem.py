"""The whole problem as one process sees it: the reference that distributed results are held to."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.norms import SMALLEST_SQUARE, norms_of, refusal
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

FACTORISED_BYTES = 2**22
"""Of X, that are factorised at once unless there are many features."""
OPTIMUM_FLOPS = 1e11
"""Work above which the optimum is not computed."""


class Quadratic(NamedTuple):
    """An objective of degree 2 where beta is zero: what the gradient adds to A(X) beta."""

    gradient: Floats
    """Gradient at beta = 0, of shape (p,): -X^T y for least squares."""
    loss: float
    """Loss at beta = 0."""

    def loss_at(self, beta: Floats, gradient: Floats) -> float:
        """Loss at `beta`, from the gradient there; the ridge included if it is in the gradient."""
        return float(beta @ (gradient + self.gradient)) / 2 + self.loss


class Problem:
    """Minimise objective([X | y], beta) + ridge/2 ||beta||^2.

    Every method streams over the source in windows; none holds X where the source does not.

    Parameters
    ----------
    source : Source
        m rows of l features and a label.
    objective : Objective
    ridge : float
        lambda >= 0; R(theta) = ||theta||^2 / 2 in Ozfatura et al., eq. (1).

    Attributes
    ----------
    parameters : int
        p, the length of beta.

    Raises
    ------
    UsageError
        If the objective does not say how many parameters there are.
    """

    def __init__(self, source: Source, objective: Objective, ridge: float = 0.0) -> None:
        self.source, self.objective, self.ridge = source, objective, ridge
        self.parameters = evaluation.size(objective, source.features)

    def start(self, seed: int) -> Floats:
        """Parameters that training with this seed begins with, of shape (p,)."""
        return evaluation.start(self.objective, self.source.features, seed)

    def gradient(self, beta: Floats) -> Floats:
        """Gradient at `beta`, of shape (p,)."""
        total = self.ridge * beta
        for X, y in self.source.windows():
            total += evaluation.gradient(self.objective, X, y, beta, None)
        return total

    def loss(self, beta: Floats) -> float:
        """Loss at `beta`, the ridge included."""
        rows = sum(evaluation.loss(self.objective, X, y, beta) for X, y in self.source.windows())
        return rows + (self.ridge / 2 * float(beta @ beta) if self.ridge else 0.0)

    def scores(self, beta: Floats) -> dict[str, float]:
        """Further figures of the objective, such as accuracy, as means over the rows."""
        sums: dict[str, float] = {}
        for X, y in self.source.windows():
            for name, value in evaluation.scores(self.objective, X, y, beta).items():
                sums[name] = sums.get(name, 0.0) + value
        return {name: value / self.source.rows for name, value in sums.items()}

    @cached_property
    def quadratic(self) -> Quadratic:
        """An objective of degree 2 where beta is zero. Computed once."""
        zero = np.zeros(self.parameters)
        return Quadratic(self.gradient(zero), self.loss(zero))

    def block_norms(self, blocks: int) -> Floats:
        """Squared Frobenius norms of N blocks of rows, of shape (N,)."""
        partition = Partition(self.source.rows, blocks)
        rows = np.concatenate([np.einsum("kl,kl->k", X, X) for X, _ in self.source.windows()])
        cumulated = np.append(0.0, np.cumsum(rows))
        bounds = np.array([partition.bounds(block) for block in range(blocks)])
        norms: Floats = cumulated[bounds[:, 1]] - cumulated[bounds[:, 0]]
        return norms

    def column_norms(self) -> Floats:
        """Euclidean norms of the columns of X, of shape (l,)."""
        squares = np.zeros(self.source.features)
        for X, _ in self.source.windows():
            squares += np.einsum("kl,kl->l", X, X)
        return np.sqrt(squares)

    def gram_product(self, vector: Floats) -> Floats:
        """Return X^T X v, of shape (l,)."""
        total = np.zeros(self.source.features)
        for X, _ in self.source.windows():
            total += (X @ vector) @ X
        return total

    def lipschitz(self) -> float | None:
        """Bound of the curvature of the whole problem; None where the objective names none."""
        if self.objective.curvature is None:
            return None
        return self.objective.curvature * self.largest_eigenvalue() + self.ridge

    def largest_eigenvalue(self) -> float:
        """Largest eigenvalue of X^T X, within 0.1 %, from above.

        By Lanczos iteration: products with X and X^T only, memory for some vectors of length l.
        Computed once.

        Raises
        ------
        DataError
            If it is too small to be computed with, and X is not zero.
        """
        return self._largest_eigenvalue

    @cached_property
    def _largest_eigenvalue(self) -> float:
        features, product = self.source.features, self.gram_product
        if features <= 2:  # too small for Lanczos
            gram = np.column_stack([product(unit) for unit in np.eye(features)])
            largest = float(np.linalg.eigvalsh(gram)[-1])
        else:
            from scipy.sparse.linalg import LinearOperator, eigsh

            start = product(np.random.default_rng(0).standard_normal(features))
            if not start.any():
                return self._no_eigenvalue()
            scale = 2.0 ** np.frexp(np.abs(start).max())[1]  # changes no digit of what is found
            operator = LinearOperator(
                (features, features), matvec=lambda v: product(v) / scale, dtype=np.float64
            )
            start = start / scale
            largest = scale * float(
                eigsh(operator, k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)[0]
            )
        return 1.001 * largest if largest > SMALLEST_SQUARE else self._no_eigenvalue()

    def _no_eigenvalue(self) -> float:
        """Return 0 where X is zero; refuse X whose squares underflow."""
        size, _ = norms_of(self.source)
        if size:
            raise refusal(self.source, "X", size)
        return 0.0

    def optimum(self) -> Floats | None:
        """Least-squares solution of minimum norm; None for other objectives, or too much work.

        By a QR factorisation that is updated window by window. Computed once.
        """
        return self._optimum

    @cached_property
    def _optimum(self) -> Floats | None:
        rows, features = self.source.rows, self.source.features
        flops = optimum_flops(rows, features)
        if not is_least_squares(self.objective) or flops > OPTIMUM_FLOPS:
            return None
        # of its rows some would be zero but for rounding without a ridge, and slow to compute with
        triangle = np.sqrt(self.ridge) * np.eye(features if self.ridge else 0, features + 1)
        for X, y in self.source.windows(factorised_rows(features)):
            stacked = np.vstack([triangle, np.column_stack([X, y])])
            triangle = np.asarray(np.linalg.qr(stacked, mode="r"), np.float64)
        cutoff = np.finfo(np.float64).eps * max(rows, features)  # of what rounding has left
        solution: Floats = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1], rcond=cutoff)[0]
        return solution if np.isfinite(solution).all() else None


def factorised_rows(features: int) -> int:
    """Rows to factorise at once: that takes them some times over, and the triangle each time."""
    return max(2 * features, FACTORISED_BYTES // (8 * features))


def optimum_flops(rows: int, features: int) -> float:
    """Work that `Problem.optimum` takes."""
    return 2.0 * (rows + features) * features**2
