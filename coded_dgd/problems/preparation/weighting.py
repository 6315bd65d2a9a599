"""Sample weights of least squares become factors of rows and labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.preparation.derived import DerivedSource
from coded_dgd.problems.sources.base import Source
from coded_dgd.problems.sparse import Entries

Floats = NDArray[np.float64]


class WeightedRows(DerivedSource):
    """This source multiplies rows and labels by the square roots of their sample weights.

    1/2 w (x beta - y)^2 is 1/2 (sqrt(w) x beta - sqrt(w) y)^2, so that all of least squares, coded
    or not, works as without weights.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        assert source.weights is not None
        self._roots = np.sqrt(source.weights)
        self.weights, self.dtype = None, np.dtype(np.float64)

    def changed(self, start: int, X: Floats, y: Floats) -> tuple[Floats, Floats]:
        roots = self._roots[start : start + len(y)]
        X *= roots[:, None]
        y *= roots
        return X, y

    def changed_entries(self, entries: Entries) -> Entries:
        starts, columns, values, y = entries
        return starts, columns, values * np.repeat(self._roots, np.diff(starts)), y * self._roots
