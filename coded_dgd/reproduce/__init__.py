"""The figures of both papers, one file each, found by name, with the papers' claims about them."""

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
        For an unknown name.
    """
    return registry.find(sys.modules[__name__], name, Figure, "figure")(seed, quick)


def compute(
    figure: Figure[Any], jobs: int = 1, on_part: Callable[[], None] = lambda: None
) -> FigureResult:
    """Compute a figure by so many processes; the numbers are the same for any.

    Parameters
    ----------
    on_part : callable
        Called whenever a further part is there.
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
