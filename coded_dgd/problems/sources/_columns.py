"""This module describes the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """One column of a table is the label; the others are the features, in order.

    Parameters
    ----------
    width : int
        Number of columns, l + 1.
    label : int
        Place of the label, from 0.
    names : tuple of str, optional
        Names of all columns; None if the table has no header.
    """

    width: int
    label: int
    names: tuple[str, ...] | None = None

    def describe(self) -> str:
        """Return a description of the label's column, in a few words."""
        number = f"column {self.label + 1} of {self.width}"
        if self.names is None or not self.names[self.label]:
            return f"label {number}"
        return f"label {self.names[self.label]!r} ({number})"

    def title(self, place: int) -> str:
        """Return the name of a column in errors; `place` counts from 0."""
        name = self._name(place)
        return f"column {place + 1}" + (f" ({name!r})" if name else "")

    def feature_title(self, feature: int) -> str:
        """Return the name of a feature's column in errors; `feature` counts from 0."""
        return self.title(feature + (feature >= self.label))

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features' columns, in order; None if the table has no header."""
        places = (place for place in range(self.width) if place != self.label)
        return None if self.names is None else tuple(map(self._name, places))

    def _name(self, place: int) -> str:
        """Return the name of a column, or "" for none."""
        return self.names[place] if self.names is not None and place < len(self.names) else ""

    def label_title(self) -> str:
        """Return the name of the label's column in errors."""
        name = self.names[self.label] if self.names is not None else ""
        return "the label" + (f" ({name!r})" if name else "")
