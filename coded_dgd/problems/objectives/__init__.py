"""Objectives, one file each, found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable

from coded_dgd import registry
from coded_dgd.problems.objectives.base import LinearModel, Objective

__all__ = ["LinearModel", "Objective", "create", "names"]


def names() -> list[str]:
    """Return the names of all objectives."""
    return registry.names(sys.modules[__name__])


def create(name: str) -> Objective:
    """Build the objective called `name`, or at the import path ``module:Class``.

    Raises
    ------
    UsageError
        If there is none.
    """
    build: Callable[[], Objective] = registry.find(
        sys.modules[__name__], name, Objective, "objective"
    )
    return build()
