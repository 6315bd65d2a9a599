"""Objectives, one file each, found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable

from coded_dgd import registry
from coded_dgd.errors import CodedDGDError, UsageError, one_line
from coded_dgd.problems.objectives.base import LinearModel, Objective, follows_slope

__all__ = ["LinearModel", "Objective", "create", "follows_slope", "made", "names"]


def names() -> list[str]:
    """Return the names of all objectives."""
    return registry.names(sys.modules[__name__])


def create(name: str) -> Objective:
    """Build the objective called `name`, or at the import path ``module:Class``.

    Raises
    ------
    UsageError
        If there is none, or it cannot be made without arguments.
    """
    return made(registry.find(sys.modules[__name__], name, Objective, "objective"))


def made(build: Callable[[], Objective]) -> Objective:
    """Make an objective of a class.

    Raises
    ------
    UsageError
        If that raises, as where the class needs arguments.
    """
    try:
        return build()
    except CodedDGDError:
        raise
    except Exception as error:  # whatever somebody's constructor may raise
        name = getattr(build, "__qualname__", build)
        raise UsageError(
            f"objective {name} cannot be made without arguments ({type(error).__name__}: "
            f"{one_line(error)}): give a class that can, or an object of it to train"
        ) from error
