"""Labels that are text: each text is replaced by its place among the distinct ones, ascending."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import DataError, shown
from coded_dgd.problems.sources._fields import kind, why_no_number
from coded_dgd.problems.sources.base import Floats, refuse_misshapen

MOST_WORDS = 10_000
"""Maximum number of distinct texts; a column with more of them names rows, not classes."""


class Words:
    """A numbering of texts grows while rows are read, and is put in ascending order at the end.

    Attributes
    ----------
    numbers : dict
        Number of each text as a float: in the order of appearance until `settle` is called, then
        in ascending order, as of numpy.unique.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self._settled = False

    def number(self, field: str, title: str) -> float:
        """Return the number of a text.

        Parameters
        ----------
        field : str
            Text without surrounding blanks.
        title : str
            Place of the text in errors: file, line and column.

        Raises
        ------
        DataError
            If the text is a number, stands for a missing value, is one of too many, or was not
            there before `settle` was called.
        """
        known = self.numbers.get(field)
        if known is not None:
            return known
        if kind(field) == "number":
            raise DataError(
                f"{title}: the label {shown(field)} is a number, and the labels before it are "
                "text: write all labels as text, or all as numbers"
            )
        if kind(field) != "text":
            separator = " " if not field else ": "
            raise DataError(f"{title}{separator}{why_no_number(field)}")
        if self._settled:
            raise DataError(f"{title}: {shown(field)} was not there at first: try again")
        refuse_many(title, len(self.numbers) + 1)
        return self.numbers.setdefault(field, float(len(self.numbers)))

    def settle(self) -> Floats:
        """Number the texts in ascending order; return the new number of each former one."""
        order = {word: float(place) for place, word in enumerate(sorted(self.numbers))}
        changed = np.array([order[word] for word in self.numbers])
        self.numbers, self._settled = order, True
        return changed

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, in the order of their numbers."""
        return tuple(self.numbers)


def refuse_many(name: str, words: int) -> None:
    """Refuse labels that are too many different texts to be classes.

    Raises
    ------
    DataError
        If there are more than `MOST_WORDS`.
    """
    if words > MOST_WORDS:
        raise DataError(
            f"{name}: the labels are more than {MOST_WORDS} different texts, which cannot be "
            "classes: take the classes as labels (--label names their column)"
        )


def numbered(name: str, X: Any, y: NDArray[Any]) -> tuple[Floats, tuple[str, ...]]:
    """Return the numbers of an array of texts, in its shape, and the distinct texts, ascending.

    Parameters
    ----------
    name : str
        Name of the data in errors.
    X : array
        The rows to which the labels belong.
    y : (m,) or (m, 1) array of str
        The labels.

    Raises
    ------
    DataError
        If the shapes of X and y do not fit, or there are too many distinct texts.
    """
    refuse_misshapen(name, X, y)
    words, numbers = np.unique(y, return_inverse=True)
    refuse_many(name, len(words))
    return numbers.reshape(y.shape).astype(np.float64), tuple(map(str, words.tolist()))
