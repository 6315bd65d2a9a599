"""First-order optimizers, one file each, found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from coded_dgd import registry, spec
from coded_dgd.errors import CodedDGDError, UsageError, one_line
from coded_dgd.problems.optimizers.base import Floats, Optimizer
from coded_dgd.problems.step_sizes import Schedule

__all__ = ["Build", "Optimizer", "find", "names"]

Build = Callable[[Floats, Schedule], Optimizer]
"""Makes an optimizer that begins at a point and steps by a schedule."""


def names() -> list[str]:
    """Return the names of all optimizers."""
    return registry.names(sys.modules[__name__])


def find(text: str) -> Build:
    """Return what makes the optimizer ``name:key=value,...``, or ``module:Class:key=value,...``.

    Raises
    ------
    UsageError
        If there is none, or a parameter is none of its, or not of its type.
    """
    name, given = spec.named(text)
    noun = "optimizer" if ":" in name else "--optimizer"
    found = registry.find(sys.modules[__name__], name, Optimizer, noun)
    bound: Callable[..., Optimizer] = found
    # the first two are the program's
    arguments = spec.arguments("optimizer", name, given, partial(bound, None, None))
    return partial(_make, text, found, arguments)


def _make(
    text: str,
    build: Callable[..., Optimizer],
    arguments: dict[str, object],
    start: Floats,
    schedule: Schedule,
) -> Optimizer:
    """Make an optimizer; whatever somebody's constructor may raise is one line."""
    try:
        return build(start, schedule, **arguments)
    except CodedDGDError:
        raise
    except Exception as error:
        raise UsageError(
            f"optimizer {text!r} cannot be made ({type(error).__name__}: {one_line(error)}): give "
            "the parameters that its class takes"
        ) from error
