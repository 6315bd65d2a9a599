"""This package reproduces the figures of both papers and checks the papers' claims about them.

A further figure shows what pays on recorded stragglers.

Each figure is one file, found by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from coded_dgd import registry
from coded_dgd.errors import UsageError
from coded_dgd.reproduce.base import Figure, FigureResult


def names() -> list[str]:
    """Return the names of all figures."""
    return registry.names(sys.modules[__name__])


def create(
    name: str, seed: int = 0, quick: bool = False, traces: Sequence[str] = ()
) -> Figure[Any]:
    """Build the figure called `name`.

    Parameters
    ----------
    traces : sequence of str
        Files of further traces, for a figure that replays some.

    Raises
    ------
    UsageError
        If the name is unknown, the figure replays no traces, or a file is no trace.
    """
    kind = registry.find(sys.modules[__name__], name, Figure, "figure")
    if not traces:
        return kind(seed, quick)
    if not kind.replays:
        raise UsageError(f"--trace means nothing to {name}, which replays none: leave it out")
    build: Callable[..., Figure[Any]] = kind
    return build(seed, quick, traces)


def replaying() -> list[str]:
    """Return the names of the figures that replay traces."""
    package = sys.modules[__name__]
    return [each for each in names() if registry.find(package, each, Figure, "figure").replays]


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
