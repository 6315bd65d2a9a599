"""Objectives, one file each, found by name."""

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
    """Build the objective ``name:key=value,...``, or ``module:Class:key=value,...``.

    Raises
    ------
    UsageError
        If there is none, a parameter is none of its or not of its type, or it cannot be made.
    """
    name, given = spec.named(text)
    build = registry.find(sys.modules[__name__], name, Objective, "objective")
    return made(build, **spec.arguments("objective", name, given, build))


def made(build: Callable[..., Objective], **arguments: Any) -> Objective:
    """Make an objective of a class.

    Raises
    ------
    UsageError
        If that raises, as where the class needs arguments.
    """
    try:
        return build(**arguments)
    except CodedDGDError:
        raise
    except Exception as error:  # whatever somebody's constructor may raise
        name = getattr(build, "__qualname__", build)
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise UsageError(
            f"objective {name} cannot be made with{f' {given}' if given else 'out arguments'} "
            f"({type(error).__name__}: {one_line(error)}): give a class that can, or an object of "
            "it to train"
        ) from error
