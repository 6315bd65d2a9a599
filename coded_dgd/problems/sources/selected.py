"""Some rows of another source, as a source of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd.problems.sources.base import WINDOW_BYTES, Floats, Source
from coded_dgd.problems.sparse import CompressedRows, Entries


class SelectedRows(Source):
    """This source has some rows of another source, in the same order.

    Parameters
    ----------
    source : Source
    chosen : (n,) array of int
        Numbers of the rows, ascending from 0.
    """

    def __init__(self, source: Source, chosen: NDArray[np.int64]) -> None:
        super().__init__(source.name, len(chosen), source.features, source.storage)
        self.dtype, self.density, self.remedy = source.dtype, source.density, source.remedy
        self.columns, self.labelled, self.words = source.columns, source.labelled, source.words
        self.selected_from = source.rows
        if source.weights is not None:
            self.weights = source.weights[chosen]
        self._source, self._chosen = source, chosen

    def feature_title(self, feature: int) -> str:
        return self._source.feature_title(feature)

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._source.names

    def windows(self, rows_at_once: int | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Yield all rows in windows; the rows between them are read along, within 16 MB."""
        step = WINDOW_BYTES // (8 * self.features) * self.rows // self._source.rows
        return super().windows(rows_at_once or max(1, step))

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        own = self._chosen[start:stop]
        if not len(own):
            return np.empty((0, self.features)), np.empty(0)
        X, y = self._source.read(int(own[0]), int(own[-1]) + 1)
        return X[own - own[0]], y[own - own[0]]

    def entries(self) -> Entries:
        """Return the rows of a sparse source, compressed; see `CompressedRows`."""
        assert isinstance(self._source, CompressedRows)
        starts, columns, values, y = self._source.entries()
        counts = np.diff(starts)[self._chosen]
        ends = np.cumsum(counts, dtype=np.int64)
        places = np.arange(counts.sum()) + np.repeat(starts[self._chosen] - (ends - counts), counts)
        own = np.append(0, ends).astype(starts.dtype)
        return own, columns[places], values[places], y[self._chosen]
