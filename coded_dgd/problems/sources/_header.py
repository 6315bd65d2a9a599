"""Functions that decide whether a table has a header, and refuse ambiguous tables.

pandas may write numbers as names of columns, and an index that counts the rows as the first column.
These cases are not guessed: the refusal names the option that resolves the ambiguity.
"""

from __future__ import annotations

import re
import reprlib
from typing import NamedTuple

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._columns import Columns
from coded_dgd.problems.sources._fields import kind
from coded_dgd.reading import Reading

COUNTED = 3
"""Number of rows after which a counting first column is taken for an index."""
FROM_0, OTHERWISE, ALIKE = 2, 3, 6
"""Minimum lengths of a run of consecutive integers that may number the columns.

They apply to a run from 0, to a run from another number above a row of numbers with decimal points,
and to any other run. The last is the largest, because many small data sets begin with 1, 2, 3.
"""


class Header(NamedTuple):
    """A header has the names of the columns, if any."""

    names: tuple[str, ...] | None
    """Names of the columns; None if the table has no header."""
    in_first_line: bool
    """Whether the names are in the first line, not in a comment."""


def find_header(
    first: list[str], second: list[str], comment: list[str] | None, header: str, where: str
) -> Header:
    """Decide whether the first line, or a comment before it, names the columns.

    Parameters
    ----------
    first : list of str
        Fields of the first line that is not a comment.
    second : list of str
        Fields of the next line that is not a comment; empty at the end of the file.
    comment : list of str, optional
        Fields of the last comment before the first line, as numpy.savetxt(header=...) writes it.
    header : str
        Value of ``--header``.
    where : str
        Name of the first line in errors.

    Raises
    ------
    DataError
        If the first line may be a header or data.
    """
    kinds = [kind(field) for field in first]
    named = comment is not None and len(comment) == len(first) > 1 and _are_names(comment)
    if header == "no":
        return Header(None, False)
    if comment is not None and named and "text" not in kinds:
        return Header(tuple(comment), False)
    if header == "yes":
        return Header(tuple(first), True)
    if "text" not in kinds:
        if _are_numbers_of_columns(first, second):
            raise DataError(
                f"{where}: {reprlib.repr(','.join(first))} may be a row or the numbers of the "
                "columns, as pandas writes them: add --header yes if it is the header, or --header "
                "no if it is data"
            )
        return Header(None, False)
    if "number" in kinds:
        text, number = kinds.index("text"), kinds.index("number")
        raise DataError(
            f"{where}: column {text + 1} is text ({reprlib.repr(first[text])}) and column "
            f"{number + 1} a number ({reprlib.repr(first[number])}): add --header yes if the line "
            "is the header, or --header no if it is a row whose label is text"
        )
    return Header(tuple(first), True)


def may_count(first: list[str], columns: Columns, reading: Reading) -> bool:
    """Return whether the first column of a file without names may be an index.

    `first` has the fields of the first row.
    """
    return (
        reading.header == "auto"
        and columns.names is None
        and columns.width > 2
        and columns.chosen is None
        and columns.label != 0
        and (first[0] == "0" or (first[0] == "1" and _has_points(first)))
    )


def refuse_count(where: str, first: int) -> None:
    """Refuse a table without names whose first column counts the rows.

    Raises
    ------
    DataError
        In all cases; the message names the remedies.
    """
    raise DataError(
        f"{where}: the first column counts the rows from {first}, as an index of pandas does: "
        "leave it out (to_csv(..., index=False)), or add --header no to train on it"
    )


def _are_names(fields: list[str]) -> bool:
    return not any(kind(field) in ("number", "blank") for field in fields)


def _are_numbers_of_columns(first: list[str], second: list[str]) -> bool:
    """Return whether the first line may be a header of consecutive integers."""
    names = first if first[0] else first[1:]  # an index column has no name
    if not names or not all(map(_is_whole, names)):
        return False
    numbers = [int(name) for name in names]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if numbers[0] == 0:
        return len(first) >= FROM_0
    return len(names) >= (OTHERWISE if _has_points(second) else ALIKE)


def _has_points(fields: list[str]) -> bool:
    return any("." in field for field in fields)


def _is_whole(field: str) -> bool:
    return re.fullmatch("0|[1-9][0-9]{0,8}", field) is not None
