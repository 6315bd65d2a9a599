"""The matrix Q = X^T X is a source of rows for schemes that multiply with Q instead of X."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from coded_dgd.errors import DataError
from coded_dgd.problems.sources.base import Source, memory


class GramSource(Source):
    """This source has the l rows of Q = X^T X, formed in one pass over another; labels are zero.

    Parameters
    ----------
    source : Source
    instead : str
        Remedy that errors name if Q does not fit in memory.

    Raises
    ------
    DataError
        If Q would take more than half of the memory.

    Attributes
    ----------
    Xy : (l,) array
        X^T y.
    yy : float
        ||y||^2.
    """

    matrix = "Q = X^T X"

    def __init__(self, source: Source, instead: str = "") -> None:
        features = source.features
        if 8 * features**2 > memory() / 2:
            raise DataError(
                f"{source.name}: Q = X^T X of {features} features takes "
                f"{8 * features**2 / 1e9:.0f} GB, more than half of the memory{instead}"
            )
        super().__init__(source.name, features, features, "Q = X^T X in memory")
        self.Xy, self.yy = np.zeros(features), 0.0
        self._Q = np.zeros((features, features))
        for X, y in source.windows():
            self._Q += X.T @ X
            self.Xy += y @ X
            self.yy += float(y @ y)

    def _place(self, row: int, feature: int | None) -> str:
        return f"{self.name}, {self.matrix}, row {row + 1}, column {(feature or 0) + 1}"

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        return self._Q[start:stop], np.zeros(stop - start)
