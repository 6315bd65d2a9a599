"""This module holds the source of sparse rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd.problems.sources._columns import Columns
from coded_dgd.problems.sources.base import LARGEST, Floats, Source

Reals = NDArray[Any]


class SparseSource(Source):
    """A sparse source holds compressed rows and returns dense ones.

    Parameters
    ----------
    labels : ndarray, shape (m,)
    starts : ndarray, shape (m + 1,)
        Row i has the entries starts[i] to starts[i + 1] - 1 of `columns` and `values`.
    columns, values : ndarray
        Columns, from 0, and values of the entries, of any real type.
    features : int, optional
        Number of columns; by default, columns up to the last non-empty one count.
    remedy : str, optional
        Remedy that errors name if rows do not fit in memory.
    """

    def __init__(
        self,
        name: str,
        labels: Floats,
        starts: ArrayLike,
        columns: ArrayLike,
        values: Reals,
        features: int | None = None,
        remedy: str = Source.remedy,
    ) -> None:
        from scipy.sparse import csr_array

        self.remedy = remedy
        if features is None:
            features = int(np.max(columns, initial=-1)) + 1
        super().__init__(name, len(labels), features, "sparse in memory")
        self._X = csr_array((values, columns, starts), shape=(self.rows, self.features))
        self._y = labels
        self.density = self._X.nnz / (self.rows * self.features)

    def chosen(self, columns: Columns) -> SparseSource:
        """Return the source of some of the columns of this one."""
        X = self._X[:, [*columns.features]]
        X.sort_indices()
        found = SparseSource(
            self.name, self._y, X.indptr, X.indices, X.data, len(columns.features), self.remedy
        )
        found.columns = columns
        return found

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        return self._X[start:stop].toarray(), self._y[start:stop]

    def entries(self) -> tuple[NDArray[Any], NDArray[Any], Reals, Floats]:
        """Return starts, columns and values of the rows, and the labels.

        Raises
        ------
        DataError
            If a value is NaN, infinite or larger than `LARGEST` in magnitude.
        """
        starts, values = self._X.indptr, self._X.data
        for numbers, of_row in ((values, starts[1:]), (self._y, np.arange(1, self.rows + 1))):
            usable = np.abs(numbers) <= np.float64(LARGEST)  # NaN is not usable
            if not usable.all():
                row = int(np.searchsorted(of_row, usable.argmin(), "right"))
                self.read(row, row + 1)
        return starts, self._X.indices, values, self._y
