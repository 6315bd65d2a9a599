"""Functions that decide which column of a table is the label, and refuse ambiguous tables.

The label is the last column unless ``--label`` names another. If the names of columns suggest
another label, or an index in the first column, the refusal names the option that resolves the
ambiguity.
"""

from __future__ import annotations

import re
import shlex

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._columns import Columns
from coded_dgd.reading import Reading
from coded_dgd.spec import nearest

LABELS = {"label", "labels", "target", "targets", "class", "y"}
"""Common names of a label, in lower case."""
COORDINATE = "y"
"""Name of a label that may also be a feature, next to x."""
UNNAMED = {"", "unnamed: 0"}
"""Names that pandas gives to a column without a name, in lower case."""


def find_columns(
    width: int, names: tuple[str, ...] | None, reading: Reading, where: str
) -> Columns:
    """Decide which column is the label.

    Parameters
    ----------
    width : int
        Number of columns.
    names : tuple of str, optional
        Names of the columns.
    where : str
        Name of the file in errors.

    Raises
    ------
    DataError
        If the column of ``--label`` does not exist, or the names leave ambiguous which column is
        the label or whether the first column is an index.
    """
    label = None if reading.label is None else _find_label(reading.label, width, names, where)
    if names is not None and reading.header == "auto" and width > 1 and label != 0:
        _refuse_index(names, where)
    if names is not None and label is None:
        _refuse_doubtful_label(names, where)
    return Columns(width, width - 1 if label is None else label, names)


def _refuse_index(names: tuple[str, ...], where: str) -> None:
    if names[0].lower() in UNNAMED:
        raise DataError(
            f"{where}: the first column has no name, as an index of pandas: leave it out "
            "(to_csv(..., index=False)), or add --header yes to train on it"
        )


def _refuse_doubtful_label(names: tuple[str, ...], where: str) -> None:
    lower = [name.lower() for name in names]
    last = len(names) - 1
    first = 1 if lower[0] in UNNAMED else 0
    for place, name in enumerate(lower[:last]):
        if name not in LABELS:
            continue
        if place == first or (name != COORDINATE and lower[last] not in LABELS):
            other = names[last] if names.count(names[last]) == 1 and names[last] else "-1"
            raise DataError(
                f"{where}: column {place + 1} is called {names[place]!r} and the last one "
                f"{names[last]!r}: add --label {_argument(names, place)} if the former is the "
                f"label, or --label {shlex.quote(other)} if the last one is"
            )


def _argument(names: tuple[str, ...], place: int) -> str:
    unique = names.count(names[place]) == 1
    return shlex.quote(names[place]) if unique else str(place + 1)


def _find_label(label: str, width: int, names: tuple[str, ...] | None, where: str) -> int:
    """Return the place of the column with this name or, if no name matches, this number."""
    wanted = label.strip()
    places = [place for place, name in enumerate(names or ()) if name == wanted]
    if len(places) > 1:
        raise DataError(
            f"{where}: {len(places)} columns are called {wanted!r}: give --label the number of one "
            f"of them ({', '.join(str(place + 1) for place in places)})"
        )
    if places:
        return places[0]
    if not re.fullmatch("[+-]?[0-9]{1,9}", wanted):
        if names is None:
            raise DataError(
                f"{where} has no names of columns, and --label is {label!r}: give the number of "
                f"the column, from 1 to {width}"
            )
        raise DataError(
            f"{where}: no column is called {label!r}{nearest(wanted, names)}; there are: "
            f"{_listed(names)}: give --label one of these names, or a number from 1 to {width}"
        )
    number = int(wanted)
    if not 1 <= abs(number) <= width:
        raise DataError(
            f"{where}: --label {number}: columns count from 1 to {width}, or from the end from -1 "
            f"to {-width}: give one of these numbers"
        )
    return number - 1 if number > 0 else width + number


def _listed(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > 9 else ""
    return ", ".join(map(repr, names[:9])) + more
