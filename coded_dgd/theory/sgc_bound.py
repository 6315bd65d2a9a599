"""This module bounds the error of stochastic gradient coding: Bitar et al., Theorem 1, Corollary 2.

The paper is read as follows. r~ as printed is already the squared norm of
(X beta* - y) / ||X^T X||^(1/2) and is not squared again. The theorem is about the loss
||X beta - y||^2, and beta_0 = 0 here. The theorem has no condition on the condition number of
X^T X, without which the first term fails even if no worker straggles; this is checked too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf, log, sqrt

import numpy as np
from scipy.sparse import csr_array

from coded_dgd.errors import UsageError
from coded_dgd.problems.problem import Problem
from coded_dgd.schemes.base import Integers, ReplicationScheme

SOLVED = 1e-20
"""Largest ||X beta* - y||^2 / ||y||^2 that counts as solved exactly."""


@dataclass(frozen=True)
class Condition:
    """A condition of the theorem has a text and says whether it holds."""

    text: str
    holds: bool


@dataclass(frozen=True)
class Theorem1:
    """The theorem is E ||beta_T - beta*||^2 <= epsilon^2 ||beta_0 - beta*||^2 + psi / (d T)."""

    p: float
    """Probability that a worker straggles."""
    epsilon: float
    iterations: int
    """Number of iterations T."""
    bound: float
    distance: float
    """Squared initial distance ||beta_0 - beta*||^2."""
    psi: float
    mu: float
    """Incoherence ||X||_F^2 / (m ||X^T X||)."""
    residual: float
    """Residual r~ = ||X beta* - y||^2 / ||X^T X||."""
    condition_number: float
    """Condition number of X^T X."""
    without_stragglers: float
    """Exact ||beta_T - beta*||^2 of gradient descent with these steps: the case p = 0."""
    corollary2: float | None
    """Bound of Corollary 2, epsilon^2 ||beta_0 - beta*||^2; None if X beta* is not y."""
    conditions: tuple[Condition, ...]

    @property
    def applies(self) -> bool:
        """Whether all conditions hold."""
        return all(condition.holds for condition in self.conditions)


def theorem1(
    problem: Problem,
    scheme: ReplicationScheme,
    p: float,
    epsilon: float = 1e-6,
    iterations: int | None = None,
) -> Theorem1:
    """Evaluate the bound for these data, and check its conditions.

    Parameters
    ----------
    problem : Problem
        Least squares without ridge.
    scheme : ReplicationScheme
        A scheme that is `bounded`, fitted to the data.
    p : float
        Probability that a worker straggles, 0 <= p < 1.
    iterations : int, optional
        Number of iterations T; the default is the theorem's minimum, 2 log(1 / epsilon^2).

    Raises
    ------
    UsageError
        If a parameter is out of range, or the data are too large for beta* to be computed.
    """
    if not 0 < epsilon < 1:
        raise UsageError(f"--epsilon {epsilon:g} is out of range: choose 0 < epsilon < 1")
    L = log(1 / epsilon**2)
    T = ceil(2 * L) if iterations is None else iterations
    if T < 1:
        raise UsageError("--iterations has to be 1 or more")
    optimum = problem.optimum()
    if optimum is None:
        raise UsageError("Theorem 1 needs beta*, which takes too long here: use fewer features")
    gram = problem.gram()
    eigenvalues, vectors = np.linalg.eigh(gram)
    largest = float(eigenvalues[-1])
    m, n, odds = problem.source.rows, scheme.workers, p / (1 - p)
    d, mu = float(_copies(scheme).mean()), float(np.trace(gram)) / m / largest
    squares = 2 * problem.loss(optimum)  # the loss here has a factor 1/2
    labels = sum(float(y @ y) for _, y in problem.source.windows())
    distance = float(optimum @ optimum)
    psi = L**2 * odds * squares / largest * mu
    errors = vectors.T @ optimum
    for t in range(1, T + 1):
        errors *= 1 - 2 * min(0.5, L / t) * eigenvalues / largest
    without = float(errors @ errors)
    return Theorem1(
        p=p,
        epsilon=epsilon,
        iterations=T,
        bound=epsilon**2 * distance + psi / (d * T),
        distance=distance,
        psi=psi,
        mu=mu,
        residual=squares / largest,
        condition_number=largest / float(eigenvalues[0]) if eigenvalues[0] > 0 else inf,
        without_stragglers=without,
        corollary2=epsilon**2 * distance if squares <= SOLVED * labels else None,
        conditions=(
            Condition(f"T >= 2 log(1/epsilon^2) = {2 * L:.4g}: T = {T}", T >= 2 * L),
            Condition(f"n >= 8 p/(1-p) = {8 * odds:.4g}: n = {n}", n >= 8 * odds),
            Condition(f"d >= 8 mu p/(1-p) = {8 * mu * odds:.4g}: d = {d:.4g}", d >= 8 * mu * odds),
            *_placement(problem, scheme),
            Condition(
                "not in the paper: gradient descent alone reaches epsilon^2 ||beta_0 - beta*||^2 "
                f"= {epsilon**2 * distance:.3g}: it reaches {without:.3g}",
                without <= epsilon**2 * distance,
            ),
        ),
    )


def _copies(scheme: ReplicationScheme) -> Integers:
    """Return the number of workers that hold each block: d_i, shape (N,)."""
    held = np.concatenate([scheme.held(worker) for worker in range(scheme.workers)])
    return np.bincount(held, minlength=scheme.blocks)


def _placement(problem: Problem, scheme: ReplicationScheme) -> Iterator[Condition]:
    """Yield the theorem's conditions on the placement of the copies."""
    m, n, copies = problem.source.rows, scheme.workers, _copies(scheme)
    yield Condition(f"a block is one row: {m} rows in {scheme.blocks} blocks", scheme.blocks == m)
    norms = problem.block_norms(scheme.blocks)
    off = float(np.abs(copies - copies.sum() * norms / norms.sum()).max())
    yield Condition(f"d_i = sigma ||x_i||^2: rounded by up to {off:.2g}", off <= 1e-9)
    # sum over i != j of (number of workers that hold both i and j - d_i d_j / n)^2
    held = [scheme.held(worker) for worker in range(n)]
    rows = np.concatenate(held)
    columns = np.repeat(np.arange(n), [len(each) for each in held])
    design = csr_array((np.ones(len(rows)), (rows, columns)), shape=(scheme.blocks, n))
    both, weights = (design.T @ design).toarray(), design.T @ copies
    squares = (both**2).sum() - 2 / n * (weights @ weights) + ((copies**2).sum() / n) ** 2
    squares -= ((copies - copies**2 / n) ** 2).sum()
    pairs = max(1, scheme.blocks * (scheme.blocks - 1))
    off = sqrt(max(0.0, squares) / pairs)
    yield Condition(
        f"any two rows meet on d_i d_j / n workers (Definition 1): off by {off:.2g} (root mean "
        "square)",
        off <= 1e-6,
    )
