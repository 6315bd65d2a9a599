"""This package reproduces the figures of both papers and checks the papers' claims about them.

Each figure is one file, found by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from coded_dgd import registry
from coded_dgd.reproduce.base import Figure, FigureResult


def names() -> list[str]:
    """Return the names of all figures."""
    return registry.names(sys.modules[__name__])


def create(name: str, seed: int = 0, quick: bool = False) -> Figure[Any]:
    """Build the figure called `name`.

    Raises
    ------
    UsageError
        If the name is unknown.
    """
    return registry.find(sys.modules[__name__], name, Figure, "figure")(seed, quick)


def compute(
    figure: Figure[Any], jobs: int = 1, on_part: Callable[[], None] = lambda: None
) -> FigureResult:
    """Compute a figure with `jobs` processes; the numbers are the same for any number of them.

    Parameters
    ----------
    on_part : callable
        Called whenever a further part has been computed.
    """
    if jobs == 1:
        parts: Iterable[Any] = map(figure.compute, range(figure.parts))
    else:
        from coded_dgd.theory.processes import in_order

        parts = in_order(figure.compute, figure.parts, jobs)
    computed = []
    for part in parts:
        computed.append(part)
        on_part()
    return figure.assemble(computed)
