"""Functions that decide which columns of a table are label and features, and refuse doubtful ones.

The label is the last column unless ``--label`` names another, and all other columns are features
unless ``--columns`` names some. If the names of columns suggest
another label, or an index in the first column, the refusal names the option that resolves the
ambiguity.
"""

from __future__ import annotations

import shlex

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._choice import chosen_places, find_place
from coded_dgd.problems.sources._columns import Columns
from coded_dgd.reading import Reading, Trained

LABELS = {"label", "labels", "target", "targets", "class", "y"}
"""Common names of a label, in lower case."""
COORDINATE = "y"
"""Name of a label that may also be a feature, next to x."""
UNNAMED = {"", "unnamed: 0"}
"""Names that pandas gives to a column without a name, in lower case."""


def find_columns(
    width: int, names: tuple[str, ...] | None, reading: Reading, where: str
) -> Columns:
    """Decide which column is the label, and which are features; see `_of_model` for a model.

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
        If a column of ``--label`` or ``--columns`` does not exist, or the names leave ambiguous
        which column is the label or whether the first column is an index.
    """
    if reading.model is not None:
        found = _of_model(reading.model, width, names, reading, where)
        fits = len(found.features) == reading.model.features
        if reading.model.labelled or found.label is None or not fits:
            return found
        return Columns(width, None, names, found.features)
    label = width - 1
    if reading.label is not None:
        label = find_place("--label", reading.label, width, names, where)
    in_doubt = reading.header == "auto" and reading.columns is None
    if names is not None and in_doubt and width > 1 and label != 0:
        _refuse_index(names, where)
    if names is not None and reading.label is None:
        _refuse_doubtful_label(names, where)
    if reading.columns is None:
        return Columns(width, label, names)
    chosen = chosen_places(reading.columns, width, names, where, label)
    return Columns(width, label, names, chosen)


def _of_model(
    model: Trained, width: int, names: tuple[str, ...] | None, reading: Reading, where: str
) -> Columns:
    """Decide which columns are those of a model, and which one is the label, if any.

    Features are found by the names that they had in training, in any order and beside others, if
    there are distinct names and ``--columns`` does not name them. If it is not given, the label is
    the only other column.
    """
    label, last, known = None, width - 1, model.names
    if reading.label is not None:
        label = find_place("--label", reading.label, width, names, where)
    if reading.columns is not None:
        chosen = chosen_places(reading.columns, width, names, where, label)
        if label is None and len(chosen) != model.features:
            chosen = chosen_places(reading.columns, width, names, where, last)
        if label is None and last not in chosen:
            label = last
        return Columns(width, label, names, chosen)
    places = None if names is None or known is None else _named_alike(known, names, where)
    if places is not None:
        others = {*range(width)} - {*places}
        if label is None and len(others) == 1:
            (label,) = others
        own = tuple(place for place in range(width) if place != label)
        return Columns(width, label, names, None if places == own else places)
    if label is None and width != model.features:
        label = last
    return Columns(width, label, names)


def _named_alike(
    known: tuple[str, ...], names: tuple[str, ...], where: str
) -> tuple[int, ...] | None:
    """Return the places of the features of a model by their names in training.

    The result is None if a name is missing, or two features have the same.

    Raises
    ------
    DataError
        If more columns have the name of a feature than in training.
    """
    for name in known:
        if (count := names.count(name)) > known.count(name):
            raise DataError(
                f"{where}: {count} columns are called {name!r}, a feature of the model: name the "
                "features with --columns, by their numbers"
            )
    if len({*known}) < len(known) or not {*known} <= {*names}:
        return None
    return tuple(map(names.index, known))


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
