"""A table, one of whose columns is the label, becomes a source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources._columns import Columns
from coded_dgd.problems.sources.base import ArraySource, Floats, refuse_empty


class _Without:
    """A view of a matrix removes one column from each slice of rows on reading."""

    def __init__(self, A: NDArray[Any], place: int) -> None:
        self._A, self._place = A, place
        self.shape, self.ndim, self.dtype = (len(A), A.shape[1] - 1), 2, A.dtype

    def __len__(self) -> int:
        return len(self._A)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return np.delete(self._A[rows], self._place, axis=1)


def table_source(
    name: str,
    A: NDArray[Any],
    columns: Columns,
    storage: str,
    words: tuple[str, ...] | None = None,
) -> ArraySource:
    """Return the source of a table A, shape (m, l + 1).

    Parameters
    ----------
    words : tuple of str, optional
        Distinct texts of the labels if their column has the places of these.

    Raises
    ------
    DataError
        If the table has no row or no feature.
    """
    refuse_empty(name, len(A), columns.width - 1)
    source = ArraySource(name, _features(A, columns), A[:, columns.label], storage)
    source.columns, source.words = columns, words
    return source


def _features(A: NDArray[Any], columns: Columns) -> Any:
    """Return X, which is read by slices and shares the memory of A."""
    if columns.label == columns.width - 1:
        return A[:, :-1]
    return A[:, 1:] if columns.label == 0 else _Without(A, columns.label)


def split_rows(rows: list[list[float]], columns: Columns) -> tuple[Floats, Floats]:
    """Return X and y of parsed rows as new arrays."""
    A = np.array(rows)
    return np.delete(A, columns.label, axis=1), A[:, columns.label].copy()
