"""Lines of the tables that a person reads."""

from __future__ import annotations

from collections.abc import Sequence


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of a table, with its first cell flush left and the others flush right.

    Parameters
    ----------
    widths : sequence of int
        Of the columns, in characters; the last ones may have no cell.
    """
    return "".join(
        f"{cell:{'>' if column else '<'}{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=False))
    )


def number(value: float | None, how: str = ".4f") -> str:
    """Return a number as `how` formats it, and a dash where there is none."""
    return "-" if value is None else format(value, how)
