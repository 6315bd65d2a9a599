"""Objectives, one file each, found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable

from coded_dgd import registry
from coded_dgd.errors import CodedDGDError, UsageError, one_line
from coded_dgd.problems.objectives.base import LinearModel, Objective, follows_slope

__all__ = ["LinearModel", "Objective", "create", "follows_slope", "names"]


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
    build: Callable[[], Objective] = registry.find(
        sys.modules[__name__], name, Objective, "objective"
    )
    try:
        return build()
    except CodedDGDError:
        raise
    except Exception as error:  # whatever somebody's constructor may raise
        raise UsageError(
            f"objective {name!r} cannot be made ({type(error).__name__}: {one_line(error)}): "
            "its class has to work without arguments"
        ) from error
