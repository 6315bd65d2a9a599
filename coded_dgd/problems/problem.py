"""One process evaluates the whole problem, as the reference for distributed results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.batches import Batches
from coded_dgd.problems.norms import SMALLEST_SQUARE, norms_of, refusal
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.ridge import Ridge, penalty
from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

FACTORISED_BYTES = 2**22
"""Size in bytes of the rows of X that are factorised at once, unless there are many features."""
OPTIMUM_FLOPS = 1e11
"""Number of floating-point operations above which the optimum is not computed."""

GRAM_BYTES = 2**26
"""Size in bytes of X above which X^T X is formed for many products, as each reads all of X."""
GRAM_FEATURES = 1000
"""Largest number of features for that; with more, forming it takes longer than 22 products."""


class Quadratic(NamedTuple):
    """A quadratic has the gradient and the loss, at beta = 0, of an objective of degree 2.

    The gradient at any other beta is A(X) beta plus the gradient at beta = 0, see
    `Objective.degree`.
    """

    gradient: Floats
    """Gradient at beta = 0, of shape (p,), which is -X^T y for least squares."""
    loss: float
    """Loss at beta = 0."""

    def loss_at(self, beta: Floats, gradient: Floats) -> float:
        """Return the loss at `beta`, given the gradient at `beta`.

        The loss includes the ridge if the gradient does.
        """
        return float(beta @ (gradient + self.gradient)) / 2 + self.loss


class Problem:
    """The problem is to minimise objective([X | y], beta) + ridge/2 ||beta||^2.

    If the last column of X is that of an intercept, the ridge leaves its parameters out.

    Each row of the objective counts with its sample weight, if the source has weights.
    Every method reads the source in windows; no method holds X unless the source does.

    Parameters
    ----------
    source : Source
        m rows of l features and a label.
    objective : Objective
    ridge : float
        lambda >= 0; R(theta) = ||theta||^2 / 2 in Ozfatura et al., eq. (1).
    batches : Batches, optional
        Draws the rows of each iteration's gradient; by default these are all rows.

    Attributes
    ----------
    parameters : int
        p, the length of beta.
    begin : (p,) array, optional
        Parameters to begin at, instead of those of `Objective.start`.
    ridge : float or (p,) array
        Ridge of each parameter: lambda, or 0 for the intercept of each output.

    Raises
    ------
    UsageError
        If the objective does not return a valid number of parameters.
    """

    def __init__(
        self,
        source: Source,
        objective: Objective,
        ridge: float = 0.0,
        batches: Batches | None = None,
    ) -> None:
        self.source, self.objective, self.batches = source, objective, batches
        self.parameters = evaluation.size(objective, source.features)
        self.begin: Floats | None = None
        self.ridge: Ridge = ridge
        if ridge and source.intercept:
            self.ridge = np.full(self.parameters, ridge)
            self.ridge[source.features - 1 :: source.features] = 0.0

    def start(self, seed: int) -> Floats:
        """Return the initial parameters for this seed, of shape (p,)."""
        if self.begin is not None:
            begin: Floats = self.begin.copy()
            return begin
        return self.usual_start(seed)

    def usual_start(self, seed: int) -> Floats:
        """Return the initial parameters of the objective, whatever the problem begins at."""
        return evaluation.start(self.objective, self.source.features, seed)

    def gradient(self, beta: Floats, iteration: int | None = None) -> Floats:
        """Return the gradient at `beta`, including the ridge, of shape (p,).

        Parameters
        ----------
        iteration : int, optional
            Iteration whose batch stands for all rows, if there are batches; by default the
            gradient is that of all rows.
        """
        total, scale = self.ridge * beta, self._scale(iteration)
        for X, y, weights in self._rows(iteration):
            total += scale * evaluation.gradient(self.objective, X, y, beta, weights)
        return total

    def product(self, vector: Floats) -> Floats:
        """Return the product of the Hessian of an objective of degree 2 and a vector, (p,).

        It includes the ridge. It is the gradient without labels, so that no digits are lost to a
        difference with the gradient at beta = 0.
        """
        total = self.ridge * vector
        for X, _, weights in self._rows():
            total += evaluation.gradient(self.objective, X, None, vector, weights)
        return total

    def loss(self, beta: Floats, iteration: int | None = None) -> float:
        """Return the loss at `beta`, including the ridge; `iteration` is that of `gradient`."""
        rows = self._scale(iteration) * sum(
            evaluation.loss(self.objective, X, y, beta, weights)
            for X, y, weights in self._rows(iteration)
        )
        return rows + penalty(self.ridge, beta)

    def scores(self, beta: Floats) -> dict[str, float]:
        """Return further figures of the objective, such as accuracy, as means over the rows."""
        sums: dict[str, float] = {}
        for X, y, weights in self._rows():
            for name, value in evaluation.scores(self.objective, X, y, beta, weights).items():
                sums[name] = sums.get(name, 0.0) + value
        weights = self.source.weights
        count = self.source.rows if weights is None else weights.sum()
        return {name: float(value / count) for name, value in sums.items()}

    def _rows(self, iteration: int | None = None) -> Iterator[tuple[Floats, Floats, Floats | None]]:
        """Yield all rows, or a batch, in windows: X, y, and the sample weights or None."""
        first, weights = 0, self.source.weights
        for X, y in self.source.windows():
            last = first + len(y)
            own = None if weights is None else weights[first:last]
            if self.batches and iteration is not None:
                [rows] = self.batches.chosen(iteration, [(first, last)])
                X, y, own = X[rows], y[rows], None if own is None else own[rows]
            if len(y):
                yield X, y, own
            first = last

    def _scale(self, iteration: int | None) -> float:
        """Return the factor by which the rows of an iteration stand for all rows."""
        return self.batches.scale if self.batches and iteration is not None else 1.0

    @cached_property
    def quadratic(self) -> Quadratic:
        """Gradient and loss at beta = 0 of an objective of degree 2, computed once."""
        zero = np.zeros(self.parameters)
        return Quadratic(self.gradient(zero), self.loss(zero))

    def block_norms(self, blocks: int) -> Floats:
        """Return the squared Frobenius norms of N blocks of rows, of shape (N,)."""
        partition = Partition(self.source.rows, blocks)
        rows = np.concatenate([np.einsum("kl,kl->k", X, X) for X, _ in self.source.windows()])
        cumulated = np.append(0.0, np.cumsum(rows))
        bounds = np.array([partition.bounds(block) for block in range(blocks)])
        norms: Floats = cumulated[bounds[:, 1]] - cumulated[bounds[:, 0]]
        return norms

    def column_norms(self) -> Floats:
        """Return the norms of the columns of X, of shape (l,); a square counts with its weight."""
        squares = np.zeros(self.source.features)
        for X, _, weights in self._rows():
            weighted = X if weights is None else weights[:, None] * X
            squares += np.einsum("kl,kl->l", weighted, X)
        return np.sqrt(squares)

    def gram_product(self, vector: Floats) -> Floats:
        """Return X^T W X v for W with the sample weights in its diagonal.

        Parameters
        ----------
        vector : (l,) array, or (K, l) array for K vectors
        """
        total = np.zeros_like(vector)
        for X, _, weights in self._rows():
            product = (X @ vector.T).T
            total += (product if weights is None else weights * product) @ X
        return total

    def gram(self) -> Floats:
        """Return X^T W X, of shape (l, l), from one pass over the data."""
        total = np.zeros((self.source.features, self.source.features))
        for X, _, weights in self._rows():
            total += (X if weights is None else weights[:, None] * X).T @ X
        return total

    def lipschitz(self) -> float | None:
        """Return a bound of the curvature of the whole problem; None if the objective has none.

        With batches of B of m rows it is their expected smoothness, which is larger, since a batch
        may consist of the largest rows: (m (B - 1) L + (m - B) m L_1) / (B (m - 1)), where L is the
        bound for all rows and L_1 the one for the largest row (Gower et al., "SGD: general analysis
        and improved rates", ICML 2019, Proposition 3.8, for sums instead of means).
        """
        if self.objective.curvature is None:
            return None
        bound = self.largest_eigenvalue()
        if self.batches and self.batches.size < self.source.rows:
            m, size = self.source.rows, self.batches.size
            bound = m * ((size - 1) * bound + (m - size) * self._largest_row) / (size * (m - 1))
        return self.objective.curvature * bound + float(np.max(self.ridge))

    @cached_property
    def _largest_row(self) -> float:
        """Largest squared norm of a row of X, times its sample weight."""
        return max(
            float((np.einsum("kl,kl->k", X, X) * (1.0 if weights is None else weights)).max())
            for X, _, weights in self._rows()
        )

    def largest_eigenvalue(self) -> float:
        """Return the largest eigenvalue of X^T W X, within 0.1 %, from above.

        W has the sample weights in its diagonal. The eigenvalue is computed once, by Lanczos
        iteration. That needs only products with X and X^T and memory for some vectors of length l,
        unless it is faster with X^T W X, which takes l^2 numbers.

        Raises
        ------
        DataError
            If X is not zero, but the eigenvalue is too small for float64.
        """
        return self._largest_eigenvalue

    @cached_property
    def _largest_eigenvalue(self) -> float:
        features = self.source.features
        product: Callable[[Floats], Floats] = self.gram_product
        if features <= GRAM_FEATURES and 8 * self.source.rows * features > GRAM_BYTES:
            product = self.gram().__matmul__
        if features <= 2:  # too small for Lanczos
            gram = np.column_stack([product(unit) for unit in np.eye(features)])
            largest = float(np.linalg.eigvalsh(gram)[-1])
        else:
            from scipy.sparse.linalg import LinearOperator, eigsh

            start = product(np.random.default_rng(0).standard_normal(features))
            if not start.any():
                return self._no_eigenvalue()
            scale = 2.0 ** np.frexp(np.abs(start).max())[1]  # a power of two: no rounding
            operator = LinearOperator(
                (features, features), matvec=lambda v: product(v) / scale, dtype=np.float64
            )
            start = start / scale
            largest = scale * float(
                eigsh(operator, k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)[0]
            )
        return 1.001 * largest if largest > SMALLEST_SQUARE else self._no_eigenvalue()

    def _no_eigenvalue(self) -> float:
        """Return 0 if X is zero; refuse any other X, as its squares underflow."""
        size, _ = norms_of(self.source)
        if size:
            raise refusal(self.source, "X", size)
        return 0.0

    def optimum(self) -> Floats | None:
        """Return the least-squares solution of minimum norm, of shape (l,).

        It is computed once, by a QR factorisation that is updated window by window. It is None for
        other objectives, above `OPTIMUM_FLOPS`, or if numbers overflow.
        """
        return self._optimum

    @cached_property
    def _optimum(self) -> Floats | None:
        rows, features = self.source.rows, self.source.features
        flops = optimum_flops(rows, features)
        if not is_least_squares(self.objective) or flops > OPTIMUM_FLOPS:
            return None
        # without a ridge the triangle begins empty: rows of rounding errors would be slow
        triangle = np.eye(features if np.any(self.ridge) else 0, features + 1)
        triangle = np.sqrt(np.reshape(self.ridge, (-1, 1))) * triangle
        for X, y in self.source.windows(factorised_rows(features)):
            stacked = np.vstack([triangle, np.column_stack([X, y])])
            triangle = np.asarray(np.linalg.qr(stacked, mode="r"), np.float64)
        cutoff = np.finfo(np.float64).eps * max(rows, features)  # below it is rounding
        solution: Floats = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1], rcond=cutoff)[0]
        return solution if np.isfinite(solution).all() else None


def factorised_rows(features: int) -> int:
    """Return the number of rows to factorise at once.

    Each factorisation takes a few times the memory of its rows, and includes the triangle.
    """
    return max(2 * features, FACTORISED_BYTES // (8 * features))


def optimum_flops(rows: int, features: int) -> float:
    """Return the number of floating-point operations of `Problem.optimum`."""
    return 2.0 * (rows + features) * features**2
