"""This package holds the first-order optimizers, one file each; they are found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from coded_dgd import registry, spec
from coded_dgd.errors import CodedDGDError, UsageError, one_line
from coded_dgd.problems.optimizers import _trial
from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.step_sizes import Schedule

__all__ = ["Build", "Optimizer", "find", "names"]

Build = Callable[[Floats, Schedule], Optimizer]
"""A function that makes an optimizer from its initial parameters and a step-size schedule."""


def names() -> list[str]:
    """Return the names of all optimizers."""
    return registry.names(sys.modules[__name__])


def find(text: str) -> Build:
    """Return the builder of ``name:key=value,...`` or ``module:Class:key=value,...``.

    Raises
    ------
    UsageError
        If the name is unknown, or a parameter is unknown or has the wrong type.
    """
    name, given = spec.named(text)
    noun = "optimizer" if ":" in name else "--optimizer"
    found = registry.find(sys.modules[__name__], name, Optimizer, noun)
    bound: Callable[..., Optimizer] = found
    # the program itself passes the first two arguments
    arguments = spec.arguments("optimizer", name, given, partial(bound, None, None))
    return partial(_make, text, found, arguments)


def _make(
    text: str,
    build: Callable[..., Optimizer],
    arguments: dict[str, object],
    start: Floats,
    schedule: Schedule,
) -> Optimizer:
    """Make an optimizer, and try one of a user; any fault of it is a one-line UsageError."""
    try:
        made = build(start, schedule, **arguments)
        if not type(made).__module__.startswith("coded_dgd."):
            _trial.run(text, lambda: build(start.copy(), schedule, **arguments))
        return made
    except CodedDGDError:
        raise
    except Exception as error:
        raise UsageError(
            f"optimizer {text!r} cannot be made ({type(error).__name__}: {one_line(error)}): give "
            "the parameters that its class takes"
        ) from error
