"""Functions that bound how far the loss can still fall below its value at a model."""

from __future__ import annotations

from time import monotonic

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.problem import Problem

Floats = NDArray[np.float64]

ITERATIONS = 30
"""Maximum number of conjugate gradient iterations; each reads the data once."""
ENOUGH = 1e-3
"""Relative gain below which an iteration is the last one."""


def lower_bound(problem: Problem, beta: Floats, norms: Floats, seconds: float) -> float | None:
    """Return an amount by which the loss at `beta` can be lowered at least.

    Let g be the gradient at `beta` and c the bound of the objective's curvature. The change of the
    loss from `beta` to `beta` + v is at most the quadratic
    g^T v + 1/2 v^T (c X^T X + ridge I) v. Conjugate gradients minimise the quadratic. They are
    preconditioned by the norms of the columns, so the bound does not depend on the units of the
    columns. For least squares the bound is exact, apart from the iterations that are left out.
    For a model of K outputs, X^T X is the same for each output. The model must be linear in X.

    Parameters
    ----------
    norms : (l,) array
        Euclidean norms of the columns of X.
    seconds : float
        Time after which no further iteration is begun.

    Returns
    -------
    float or None
        The bound; None if the objective has no bound of its curvature, or numbers overflow.
    """
    curvature = problem.objective.curvature
    if curvature is None:
        return None
    deadline = monotonic() + seconds
    outputs = problem.parameters // len(norms)
    diagonal = np.tile(curvature * norms**2, outputs) + problem.ridge
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    residual = -problem.gradient(beta)
    scaled = inverse * residual
    direction, square = scaled, float(residual @ scaled)
    gained = 0.0
    for _ in range(ITERATIONS):
        products = problem.gram_product(direction.reshape(outputs, -1)).ravel()
        product = curvature * products + problem.ridge * direction
        curved = float(direction @ product)
        if not curved > 0:
            break
        gain = square / curved * square / 2  # square**2 may overflow
        gained += gain
        if gain <= ENOUGH * gained or monotonic() >= deadline:
            break
        residual = residual - square / curved * product
        scaled = inverse * residual
        before, square = square, float(residual @ scaled)
        direction = scaled + square / before * direction
    return gained if np.isfinite(gained) else None


def to_explain(problem: Problem) -> float:
    """Return the loss of a trivial model, for comparison.

    For least squares the trivial model predicts the mean of the labels, or is beta = 0 if all
    labels are equal. For other objectives it is beta = 0.
    """
    start = problem.loss(np.zeros(problem.parameters))
    if not is_least_squares(problem.objective):
        return start
    total = sum(float(y.sum()) for _, y in problem.source.windows())
    rest = start - total**2 / problem.source.rows / 2
    return rest if rest > 1e-9 * start else start


def descended(problem: Problem, beta: Floats, step_size: float, iterations: int) -> float:
    """Return the loss after `iterations` steps of gradient descent with exact gradients."""
    for _ in range(iterations):
        beta = beta - step_size * problem.gradient(beta)
    return problem.loss(beta)
