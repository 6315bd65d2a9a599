"""A descent runs an optimizer in this process, with exact gradients."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from sys import float_info

import numpy as np

from coded_dgd.errors import Diverged, Infeasible
from coded_dgd.planner.observations import Floats
from coded_dgd.problems import optimizers, step_sizes
from coded_dgd.problems.norms import norm
from coded_dgd.problems.optimizers import Choice, Optimizer
from coded_dgd.problems.problem import Problem

Begin = Callable[[], Optimizer]
"""A function that makes an optimizer at the start of a problem."""


def choice(name: str, problem: Problem, *, exact: bool, who: str = "approximate schemes") -> Choice:
    """Return the optimizer of this name, which may be auto, for exact or approximate gradients.

    Parameters
    ----------
    who : str
        What makes gradients approximate.

    Raises
    ------
    UsageError
        If the name is unknown; Infeasible if the optimizer does not suit problem or gradients.
    """
    quadratic = problem.objective.degree == 2
    found = optimizers.suiting(name, exact=exact, quadratic=quadratic)
    found.check(who, exact=exact, quadratic=quadratic)
    return found


def beginning(chosen: Choice, problem: Problem, rows: int, step_size: str, seed: int) -> Begin:
    """Return what makes the optimizer at the start of a problem on a sample.

    Parameters
    ----------
    rows : int
        Number of rows of the data from which the sample has been taken.
    step_size : str
        Step size as of ``--step-size``, for the data. It is scaled for the sample if it is a number
        by which the optimizer multiplies the gradient, a sum over rows.
    seed : int
        Seed of the initial parameters.

    Raises
    ------
    UsageError
        If the step size cannot be read, or does not suit optimizer or problem.
    """
    chosen.check_step_size(step_size)
    rule = step_sizes.parse(step_size)
    if chosen.kind.auto_step is None:
        with suppress(ValueError):
            scaled = float(step_size) * rows / problem.source.rows
            rule = step_sizes.constant(min(scaled, float_info.max))
    schedule = chosen.schedule(step_size, rule, problem)
    start = problem.start(seed)
    return lambda: chosen(start, schedule)


def descend(optimizer: Optimizer, problem: Problem, target: float, longest: int) -> Floats:
    """Return the norms of the recorded gradients, relative to the first one.

    Parameters
    ----------
    target : float
        Relative norm at which the descent ends, once the gradient is confirmed.
    longest : int
        Largest number of iterations.

    Raises
    ------
    Infeasible
        If the descent diverges.
    """
    norms: list[float] = []
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            while len(norms) < longest:
                norms.append(norm(optimizers.iterate(optimizer, problem)))
                if norms[-1] <= target * norms[0]:
                    if optimizer.confirmed:
                        break
                    optimizer.confirm()
        if not np.isfinite(norms[-1]):
            # a safe step size on the sample is none on the data
            mend = "with this --step-size: use auto, or less"
            if not optimizer.uses_step_size:
                mend = f"on a sample of the data: {optimizer.remedy(problem)}"
            raise Diverged(f"exact gradients diverge {mend}")
    except Diverged as error:
        raise Infeasible(str(error)) from None
    return np.array(norms) / (norms[0] or 1.0)
