"""This module formats the lines of tables and the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of a table, with its first cell flush left and the others flush right.

    Parameters
    ----------
    widths : sequence of int
        Width of each column in characters; trailing columns may be left without a cell.
    """
    return "".join(
        f"{cell:{'>' if column else '<'}{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=False))
    )


def number(value: float | None, how: str = ".4f") -> str:
    """Return the number formatted with the specification `how`, or a dash if it is None."""
    return "-" if value is None else format(value, how)
