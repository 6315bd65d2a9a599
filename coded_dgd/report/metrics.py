"""The figures of a model on labelled rows, one line each."""

from __future__ import annotations

from collections.abc import Mapping

WIDTH = 28
"""Number of characters of the column of names, as in the table of a run."""
NAMES = {"r2": "R^2", "auc": "area under the ROC curve"}
"""Names of figures that are not the key with blanks."""


def lines(figures: Mapping[str, float]) -> list[str]:
    """Return a line for each figure."""
    return [f"{title(name):<{WIDTH}}{text(name, value)}" for name, value in figures.items()]


def title(name: str) -> str:
    """Return the name of a figure in tables."""
    return NAMES.get(name, name.replace("_", " "))


def text(name: str, value: float) -> str:
    """Return a figure as tables show it; an accuracy is a percentage of the rows."""
    return f"{value:.2%} of the rows" if name == "accuracy" else f"{value:.6g}"
