"""One process does what a master does, with exact arithmetic."""

from __future__ import annotations

from typing import NamedTuple

from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.problem import Problem


class ExactAnswer(NamedTuple):
    """An exact answer is what an optimizer is given in one iteration."""

    gradient: Floats
    """Gradient at its point, or product with it, of shape (p,)."""
    loss: float | None
    """Loss at its point, if it needs one."""


def answer(optimizer: Optimizer, problem: Problem) -> ExactAnswer:
    """Return the exact answer to what an optimizer asks for."""
    point = optimizer.point
    if optimizer.asks_product:
        return ExactAnswer(problem.product(point), None)
    return ExactAnswer(
        problem.gradient(point), problem.loss(point) if optimizer.needs_loss else None
    )


def iterate(optimizer: Optimizer, problem: Problem) -> Floats:
    """Do one iteration, and return the gradient whose norm the master records."""
    gradient, loss = answer(optimizer, problem)
    optimizer.update(gradient, loss)
    known = optimizer.gradient_at_beta
    return gradient if known is None else known
