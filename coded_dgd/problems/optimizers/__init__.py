"""This package holds the first-order optimizers, one file each; they are found by name."""

from __future__ import annotations

import sys

from coded_dgd import registry
from coded_dgd.problems.optimizers._choice import AUTO, Choice, find, step_size_for, suiting
from coded_dgd.problems.optimizers._exact import answer, iterate
from coded_dgd.problems.optimizers.base import Optimizer

__all__ = [
    "AUTO",
    "Choice",
    "Optimizer",
    "answer",
    "find",
    "iterate",
    "names",
    "step_size_for",
    "suiting",
]


def names() -> list[str]:
    """Return the names of all optimizers."""
    return registry.names(sys.modules[__name__])
