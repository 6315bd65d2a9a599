"""This module describes the columns of a table or matrix."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """One column of a table is the label, or none; the others, or some, are the features.

    Parameters
    ----------
    width : int
        Number of columns.
    label : int, optional
        Place of the label, from 0; None if there is none, or the label is no column of the matrix.
    names : tuple of str, optional
        Names of all columns; None if the table has no header.
    chosen : tuple of int, optional
        Places of the features, in order; None for all columns but the label.
    """

    width: int
    label: int | None
    names: tuple[str, ...] | None = None
    chosen: tuple[int, ...] | None = None

    @property
    def features(self) -> tuple[int, ...]:
        """Places of the features, in order."""
        if self.chosen is not None:
            return self.chosen
        return tuple(place for place in range(self.width) if place != self.label)

    def describe(self) -> str:
        """Return a description of the label's column and of the choice, in a few words."""
        if self.label is None:
            return f"of {self.width} columns"
        number = f"column {self.label + 1} of {self.width}"
        name = self._name(self.label)
        return f"label {name!r} ({number})" if name else f"label {number}"

    def title(self, place: int) -> str:
        """Return the name of a column in errors; `place` counts from 0."""
        name = self._name(place)
        return f"column {place + 1}" + (f" ({name!r})" if name else "")

    def feature_title(self, feature: int) -> str:
        """Return the name of a feature's column in errors; `feature` counts from 0."""
        return self.title(self.features[feature])

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features' columns, in order; None if the table has no header."""
        return None if self.names is None else tuple(map(self._name, self.features))

    def _name(self, place: int) -> str:
        """Return the name of a column, or "" for none."""
        return self.names[place] if self.names is not None and place < len(self.names) else ""

    def label_title(self) -> str:
        """Return the name of the label's column in errors."""
        name = "" if self.label is None else self._name(self.label)
        return "the label" + (f" ({name!r})" if name else "")


def written_names(columns: Columns | None, features: int) -> list[str]:
    """Return the names of the columns of a table that is written, the label's last.

    Names of the data are kept. Without any, or if they are not distinct or have other blanks than
    single ones between words, the names are x1, ..., xl, label.

    Parameters
    ----------
    columns : Columns, optional
        Columns of the data; None if they are not known.
    features : int
        Number of features.
    """
    if columns is not None and columns.names is not None and columns.label is not None:
        names = [columns.names[place] for place in (*columns.features, columns.label)]
        plain = all(name and name == " ".join(name.split()) for name in names)
        if plain and len({*names}) == len(names):
            return names
    return [*(f"x{number}" for number in range(1, features + 1)), "label"]
