"""What is left to gain: how much lower than at some model the loss can be made."""

from __future__ import annotations

from time import monotonic

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.problem import Problem

Floats = NDArray[np.float64]

ITERATIONS = 30
"""Of conjugate gradients; each reads the data once."""
ENOUGH = 1e-3
"""An iteration that adds less than this fraction is the last one."""


def lower_bound(problem: Problem, beta: Floats, norms: Floats, seconds: float) -> float | None:
    """Return by how much the loss at `beta` can be lowered at least.

    The quadratic g^T v + 1/2 v^T (c X^T X + ridge I) v, with the gradient g at `beta` and the bound
    c of the objective's curvature, is nowhere less than what the loss changes by from `beta` to
    `beta` + v. It is minimised by conjugate gradients, preconditioned by the norms of the columns:
    so the bound does not depend on the units of the columns. For least squares the bound is what
    is left to gain, up to the iterations that are not made. The model has
    one parameter for each column.

    Parameters
    ----------
    norms : (l,) array
        Of the columns of X.
    seconds : float
        Time after which no further iteration is begun.

    Returns
    -------
    float or None
        None where the objective names no bound of its curvature, or numbers overflow.
    """
    curvature = problem.objective.curvature
    if curvature is None:
        return None
    deadline = monotonic() + seconds
    diagonal = curvature * norms**2 + problem.ridge
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    residual = -problem.gradient(beta)
    scaled = inverse * residual
    direction, square = scaled, float(residual @ scaled)
    gained = 0.0
    for _ in range(ITERATIONS):
        product = curvature * problem.gram_product(direction) + problem.ridge * direction
        curved = float(direction @ product)
        if not curved > 0:
            break
        gain = square / curved * square / 2  # whose square may overflow
        gained += gain
        if gain <= ENOUGH * gained or monotonic() >= deadline:
            break
        residual = residual - square / curved * product
        scaled = inverse * residual
        before, square = square, float(residual @ scaled)
        direction = scaled + square / before * direction
    return gained if np.isfinite(gained) else None


def to_explain(problem: Problem) -> float:
    """Return the loss of a model that knows nothing, for comparison.

    For least squares that of the mean of the labels, or of beta = 0 where all labels are equal; for
    other objectives that of beta = 0.
    """
    start = problem.loss(np.zeros(problem.parameters))
    if not is_least_squares(problem.objective):
        return start
    total = sum(float(y.sum()) for _, y in problem.source.windows())
    rest = start - total**2 / problem.source.rows / 2
    return rest if rest > 1e-9 * start else start


def descended(problem: Problem, beta: Floats, step_size: float, iterations: int) -> float:
    """Return the loss after some iterations of gradient descent with exact gradients."""
    for _ in range(iterations):
        beta = beta - step_size * problem.gradient(beta)
    return problem.loss(beta)
