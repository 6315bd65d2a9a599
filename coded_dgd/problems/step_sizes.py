"""A step-size rule makes a schedule of step sizes for a problem."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import Protocol

from coded_dgd import spec
from coded_dgd.errors import UsageError, naming
from coded_dgd.problems.problem import Problem

Schedule = Callable[[int], float]
"""A schedule returns the step size of iteration t = 1, 2, ..."""


class StepSizeRule(Protocol):
    """A step-size rule makes the schedule for a problem."""

    def __call__(self, problem: Problem) -> Schedule:
        """Return the schedule.

        Raises
        ------
        UsageError
            If the problem lacks something that the rule needs.
        """
        ...


def parse(text: str) -> StepSizeRule:
    """Return the rule that ``--step-size`` names.

    The text is a number, auto, theorem1:epsilon=E or power-law:scale=C,power=A.

    Raises
    ------
    UsageError
        If the text is none of these, or a parameter is unknown or out of range.
    """
    with naming(f"--step-size {text!r}"):
        return _parse(text)


def _parse(text: str) -> StepSizeRule:
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if 0 < number < inf:
            return constant(number)
        raise UsageError("give auto or a positive number")
    name, given = spec.split(text)
    if name == "auto":
        known: tuple[str, ...] = ()
        rule: StepSizeRule = inverse_curvature
    elif name == "theorem1":
        known = ("epsilon",)
        rule = theorem1(spec.take(given, "epsilon", float, 1e-6))
    elif name == "power-law":
        known = ("scale", "power")
        rule = power_law(
            spec.take(given, "scale", float, 7 * 100 * log(10)),
            spec.take(given, "power", float, 0.7),
        )
    else:
        near = spec.nearest(name, ("auto", "theorem1", "power-law"))
        raise UsageError(f"give auto or a positive number, theorem1 or power-law{near}")
    spec.refuse_rest(name, given, known)
    return rule


def constant(step: float) -> StepSizeRule:
    """Return the rule of a constant step size."""
    return lambda _: lambda _: step


def inverse_curvature(problem: Problem) -> Schedule:
    """Return the schedule of ``auto``: 1 / largest curvature.

    With this step size gradient descent does not diverge.

    Raises
    ------
    UsageError
        If the objective has no bound of its curvature.
    """
    curvature = problem.lipschitz()
    if curvature is None:
        raise UsageError(
            "--step-size auto needs a bound of the objective's curvature: give a number, or use "
            "--optimizer lbfgs or adam"
        )
    return constant(1 / curvature if curvature > 0 else 1.0)(problem)


def theorem1(epsilon: float) -> StepSizeRule:
    """Return the rule gamma_t = min(1/2, log(1/epsilon^2)/t) / ||X^T X|| (Bitar et al., Theorem 1).

    The theorem is about ||X beta - y||^2, which has twice the curvature of ``least-squares``, so
    for ``least-squares`` the step is twice as long. For an objective of curvature 2 it is the step
    of the theorem.

    Raises
    ------
    UsageError
        If epsilon is not between 0 and 1.
    """
    if not 0 < epsilon < 1:
        raise UsageError(f"epsilon = {epsilon:g} is out of range: choose 0 < epsilon < 1")
    bound = log(1 / epsilon**2)

    def rule(problem: Problem) -> Schedule:
        norm = problem.largest_eigenvalue() or 1.0
        longer = 2 / max(problem.objective.curvature or 1.0, 1.0)
        return lambda t: longer * min(0.5, bound / t) / norm

    return rule


def power_law(scale: float, power: float) -> StepSizeRule:
    """Return the rule gamma_t = scale / t^power / (m ||X^T X||).

    Bitar et al., Section V, print gamma_t = 7 ln(10^100) / t^0.7, which diverges. The mean gradient
    (1/m) and the factor 1 / ||X^T X|| of Theorem 1 reproduce the curves of the paper.

    Raises
    ------
    UsageError
        If scale is not positive, or power is negative.
    """
    if not (0 < scale < inf and 0 <= power < inf):
        raise UsageError(
            f"scale = {scale:g} has to be a positive number, power = {power:g} 0 or more"
        )

    def rule(problem: Problem) -> Schedule:
        norm = problem.source.rows * (problem.largest_eigenvalue() or 1.0)
        return lambda t: float(scale / t**power / norm)

    return rule
