"""Functions that find the columns of ``--label`` and ``--columns`` by name or number.

Numbers count from 1, or from the end from -1. A name comes before a number.
"""

from __future__ import annotations

import re

from coded_dgd.errors import DataError
from coded_dgd.spec import nearest

Names = tuple[str, ...] | None


def find_place(option: str, text: str, width: int, names: Names, where: str) -> int:
    """Return the place, from 0, of the column with this name or, if no name matches, this number.

    Parameters
    ----------
    option : str
        The option that names the column, in errors.
    text : str
        Name or number.
    width : int
        Number of columns.
    names : tuple of str, optional
        Names of the columns.
    where : str
        Name of the file in errors.

    Raises
    ------
    DataError
        If there is no such column, or several have the name.
    """
    wanted = text.strip()
    places = [place for place, name in enumerate(names or ()) if name == wanted]
    if len(places) > 1:
        raise DataError(
            f"{where}: {len(places)} columns are called {wanted!r}: give {option} the number of "
            f"one of them ({', '.join(str(place + 1) for place in places)})"
        )
    if places:
        return places[0]
    if not re.fullmatch("[+-]?[0-9]{1,9}", wanted):
        if names is None:
            raise DataError(
                f"{where} has no names of columns, and {option} is {text!r}: give the number of "
                f"the column, from 1 to {width}"
            )
        raise DataError(
            f"{where}: no column is called {text!r}{nearest(wanted, names)}; there are: "
            f"{_listed(names)}: give {option} one of these names, or a number from 1 to {width}"
        )
    number = int(wanted)
    if not 1 <= abs(number) <= width:
        raise DataError(
            f"{where}: {option} {number}: columns count from 1 to {width}, or from the end from -1 "
            f"to {-width}: give one of these numbers"
        )
    return number - 1 if number > 0 else width + number


def chosen_places(
    text: str, width: int, names: Names, where: str, label: int | None = None
) -> tuple[int, ...]:
    """Return the places of the columns of ``--columns``, in the order in which they are given.

    Parameters
    ----------
    text : str
        Columns with commas between them: each a name, a number, or a range ``FIRST:LAST`` of
        which both ends are part.
    label : int, optional
        Place of the label. Ranges leave it out; None if the label is no column.

    Raises
    ------
    DataError
        If a column does not exist, is named twice or is the label.
    """
    places: list[int] = []
    for item in text.split(","):
        first, colon, last = item.rpartition(":")
        if colon and item.strip() not in (names or ()):
            ends = [find_place("--columns", end, width, names, where) for end in (first, last)]
            if ends[0] > ends[1]:
                raise DataError(
                    f"{where}: --columns {item.strip()}: the first column of this range comes "
                    f"after the last: give {last.strip()}:{first.strip()}"
                )
            places += [place for place in range(ends[0], ends[1] + 1) if place != label]
            continue
        place = find_place("--columns", item, width, names, where)
        if place == label:
            raise DataError(
                f"{where}: --columns names {item.strip()}, which is the label: leave it out, or "
                "give --label another column"
            )
        places.append(place)
    for place in places:
        if places.count(place) > 1:
            title = names[place] if names is not None and names[place] else str(place + 1)
            raise DataError(f"{where}: --columns names column {title} twice: once is enough")
    if not places:
        raise DataError(f"{where}: --columns {text} names the label alone: name a feature")
    return tuple(places)


def _listed(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > 9 else ""
    return ", ".join(map(repr, names[:9])) + more
