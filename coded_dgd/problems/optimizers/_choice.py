"""A choice is an optimizer as ``--optimizer`` names it, before there are data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from coded_dgd import registry, spec
from coded_dgd.errors import CodedDGDError, Infeasible, UsageError, one_line
from coded_dgd.problems.optimizers import _trial
from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.step_sizes import Schedule, StepSizeRule, constant

AUTO = "auto"
"""Name that stands for the optimizer that suits the objective and the gradients."""
PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Choice:
    """A choice makes optimizers of one class with the same parameters.

    Parameters
    ----------
    text : str
        Name and parameters, as the user gives them.
    kind : type
        Class of the optimizers.
    arguments : mapping
        Parameters of the constructor.
    """

    text: str
    kind: type[Optimizer]
    arguments: Mapping[str, object]

    @property
    def own(self) -> bool:
        """Whether the class is one of the user."""
        return not self.kind.__module__.startswith(f"{PACKAGE}.")

    @property
    def vectors(self) -> int:
        """Largest number of vectors of length p that the optimizer keeps."""
        return self._specimen.vectors

    @property
    def _specimen(self) -> Optimizer | type[Optimizer]:
        """An optimizer of one parameter; the class alone if it is one of the user."""
        return self.kind if self.own else self(np.zeros(1), lambda _: 1.0)

    def __call__(self, start: Floats, schedule: Schedule) -> Optimizer:
        """Make an optimizer, and try one of a user first.

        Raises
        ------
        UsageError
            If a parameter is out of range, or the class of a user is faulty.
        """
        build: Callable[..., Optimizer] = self.kind
        try:
            made = build(start, schedule, **self.arguments)
            if self.own:
                _trial.run(self.text, lambda: build(start.copy(), schedule, **self.arguments))
            return made
        except CodedDGDError:
            raise
        except Exception as error:
            raise UsageError(
                f"optimizer {self.text!r} cannot be made ({type(error).__name__}: "
                f"{one_line(error)}): give the parameters that its class takes"
            ) from error

    def check(self, who: str, *, exact: bool, quadratic: bool) -> None:
        """Refuse gradients and objectives for which the optimizer is not made.

        Parameters
        ----------
        who : str
            What makes gradients exact or approximate, such as the name of the scheme.
        exact : bool
            Whether gradients are exact.
        quadratic : bool
            Whether the objective is of degree 2.

        Raises
        ------
        Infeasible
            If the optimizer needs more.
        """
        if self.kind.needs_quadratic and not quadratic:
            raise Infeasible(
                f"--optimizer {self.text} is for objectives of degree 2, such as least-squares: "
                "use --optimizer lbfgs or auto"
            )
        if self.kind.needs_exact and not exact:
            raise Infeasible(
                f"--optimizer {self.text} needs exact gradients, and those of {who} are "
                "approximate: use --optimizer momentum or auto"
            )

    def check_step_size(self, text: str) -> None:
        """Refuse a step size for an optimizer that finds its own.

        Raises
        ------
        UsageError
            If ``--step-size`` is given and has no effect.
        """
        if not self.kind.uses_step_size and text != AUTO:
            raise UsageError(
                f"--optimizer {self.text} finds the lengths of its steps: leave --step-size out"
            )

    def schedule(self, text: str, rule: StepSizeRule, problem: Problem) -> Schedule:
        """Return the step sizes for a problem.

        Parameters
        ----------
        text : str
            The value of ``--step-size``.
        rule : callable
            The rule that it names.

        Raises
        ------
        UsageError
            If the problem lacks something that the rule needs.
        """
        if not self.kind.uses_step_size:
            return constant(1.0)(problem)
        if text == AUTO and self.kind.auto_step is not None:
            return constant(self.kind.auto_step)(problem)
        schedule, scale = rule(problem), self._specimen.auto_scale
        return schedule if text != AUTO or scale == 1 else lambda t: scale * schedule(t)


def find(text: str) -> Choice:
    """Return the choice of ``name:key=value,...`` or ``module:Class:key=value,...``.

    Raises
    ------
    UsageError
        If the name is unknown, or a parameter is unknown, has the wrong type or is out of range.
    """
    name, given = spec.named(text)
    if name == AUTO:
        raise UsageError(
            f"--optimizer {text}: auto takes no parameters: name the optimizer, as in "
            "lbfgs:pairs=10"
        )
    noun = "optimizer" if ":" in name else "--optimizer"
    kind = registry.find(sys.modules[PACKAGE], name, Optimizer, noun)
    bound: Callable[..., Optimizer] = kind
    # the program itself passes the first two arguments
    arguments = spec.arguments("optimizer", name, given, partial(bound, None, None))
    choice = Choice(text, kind, arguments)
    _ = choice._specimen  # which refuses what is out of range
    return choice


def suiting(text: str, *, quadratic: bool, exact: bool = True) -> Choice:
    """Return the choice of a text, and for ``auto`` the one that suits.

    Conjugate gradients suit quadratic objectives, L-BFGS other ones, and momentum approximate
    gradients, whose errors would spoil the memory of the other two.

    Parameters
    ----------
    quadratic : bool
        Whether the objective is of degree 2.
    exact : bool
        Whether gradients are exact.

    Raises
    ------
    UsageError
        See `find`.
    """
    if text != AUTO:
        return find(text)
    return find(("cg" if quadratic else "lbfgs") if exact else "momentum")


def step_size_for(text: str, step_size: str) -> str:
    """Return the step size for one of several optimizers: auto for one that finds its own.

    Raises
    ------
    UsageError
        See `find`.
    """
    return step_size if text == AUTO or find(text).kind.uses_step_size else AUTO
