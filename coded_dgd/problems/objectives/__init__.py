"""This package holds the objectives, one file each; they are found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from coded_dgd import registry, spec
from coded_dgd.errors import CodedDGDError, UsageError, one_line
from coded_dgd.problems.objectives.base import LinearModel, Objective, follows_slope

__all__ = ["LinearModel", "Objective", "create", "follows_slope", "made", "names"]


def names() -> list[str]:
    """Return the names of all objectives."""
    return registry.names(sys.modules[__name__])


def create(text: str) -> Objective:
    """Return the objective ``name:key=value,...`` or ``module:Class:key=value,...``.

    It may also be ``module:object``, an objective that a module holds.

    Raises
    ------
    UsageError
        If the name is unknown, a parameter is unknown or has the wrong type, or the constructor
        fails.
    """
    name, given = spec.named(text)
    if ":" in name:
        found = registry.member(name, "objective")
        if isinstance(found, Objective):
            spec.refuse_rest(f"objective {name}, which is an object,", given, ())
            return found
        if not isinstance(found, type):
            raise UsageError(
                f"{name!r} is no objective: it has to be a subclass of Objective, or an object of "
                "one"
            )
    build = registry.find(sys.modules[__name__], name, Objective, "objective")
    return made(build, **spec.arguments("objective", name, given, build))


def made(build: Callable[..., Objective], **arguments: Any) -> Objective:
    """Construct an objective from its class.

    Raises
    ------
    UsageError
        If the constructor raises, for example because it needs further arguments.
    """
    try:
        return build(**arguments)
    except CodedDGDError:
        raise
    except Exception as error:  # a user's constructor may raise anything
        name = getattr(build, "__qualname__", build)
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise UsageError(
            f"objective {name} cannot be made with{f' {given}' if given else 'out arguments'} "
            f"({type(error).__name__}: {one_line(error)}): give a class that can, or an object of "
            "it to train"
        ) from error
