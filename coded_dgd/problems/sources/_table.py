"""A table or matrix becomes a source whose features are some of its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources._choice import chosen_places
from coded_dgd.problems.sources._columns import Columns
from coded_dgd.problems.sources.base import ArraySource, absent_labels, refuse_empty
from coded_dgd.reading import Reading


class _Selected:
    """A view of a matrix takes some columns of each slice of rows on reading.

    Attributes
    ----------
    whole : array
        The matrix.
    """

    def __init__(self, A: Any, places: tuple[int, ...]) -> None:
        self.whole, self._places = A, np.array(places, np.intp)
        self.shape, self.ndim, self.dtype = (A.shape[0], len(places)), 2, A.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return np.take(self.whole[rows], self._places, axis=1)


def table_source(name: str, A: NDArray[Any], columns: Columns, storage: str) -> ArraySource:
    """Return the source of a table A, of which one column is the label, or none.

    Raises
    ------
    DataError
        If the table has no row or no feature.
    """
    refuse_empty(name, len(A), len(columns.features))
    label = columns.label
    y = absent_labels(A) if label is None else A[:, label]
    source = ArraySource(name, _selected(A, columns.features), y, storage)
    source.columns, source.labelled = columns, label is not None
    return source


def matrix_source(name: str, X: Any, y: Any, reading: Reading, storage: str) -> ArraySource:
    """Return the source of a matrix X and its labels y, with the columns of ``--columns``.

    X and y are as of `ArraySource`.

    Raises
    ------
    DataError
        If the shapes of X and y do not fit, or a column of ``--columns`` does not exist.
    """
    if reading.columns is None or X.ndim != 2:
        return ArraySource(name, X, y, storage)
    columns = choice(name, X.shape[1], reading)
    source = ArraySource(name, _selected(X, columns.features), y, storage)
    source.columns = columns
    return source


def choice(name: str, width: int, reading: Reading) -> Columns:
    """Return the columns of ``--columns`` of a matrix without names, whose label is no column.

    Raises
    ------
    DataError
        If a column does not exist.
    """
    assert reading.columns is not None
    return Columns(width, None, None, chosen_places(reading.columns, width, None, name))


def _selected(A: Any, places: tuple[int, ...]) -> Any:
    """Return these columns of A, which are read by slices and share its memory."""
    if isinstance(A, np.ndarray) and places == tuple(range(places[0], places[0] + len(places))):
        return A[:, places[0] : places[-1] + 1]
    return _Selected(A, places)
