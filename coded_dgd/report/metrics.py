"""The figures of a model on labelled rows, one line each."""

from __future__ import annotations

from collections.abc import Mapping

from coded_dgd.runs.summary import Validated

WIDTH = 28
"""Number of characters of the column of names, as in the table of a run."""
NAMES = {"r2": "R^2", "auc": "ROC AUC"}
"""Names of figures that are not the key with blanks."""


def lines(figures: Mapping[str, float]) -> list[str]:
    """Return a line for each figure."""
    return [f"{title(name):<{WIDTH}}{text(name, value)}" for name, value in figures.items()]


def held_out(validated: Validated) -> list[str]:
    """Return the lines of held-out rows in the table of a run."""
    return [f"{f'held-out {name}':<{WIDTH}}{told}" for name, told in on_held_out(validated)]


def on_held_out(validated: Validated) -> list[tuple[str, str]]:
    """Return the title and the text of each figure on held-out rows; the first says how many."""
    found = [(title(name), text(name, value)) for name, value in validated.figures.items()]
    name, told = found[0]
    found[0] = (
        name,
        f"{told} of {validated.rows} rows; lowest after iteration {validated.iteration}; "
        f"{validated.time:.3g} s in all",
    )
    return found


def title(name: str) -> str:
    """Return the name of a figure in tables."""
    return NAMES.get(name, name.replace("_", " "))


def text(name: str, value: float) -> str:
    """Return a figure as tables show it; an accuracy is a percentage of the rows."""
    return f"{value:.2%} of the rows" if name == "accuracy" else f"{value:.6g}"
