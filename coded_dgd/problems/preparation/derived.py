"""A derived source changes the rows of another source while they are read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from numpy.typing import ArrayLike

from coded_dgd.problems.sources.base import Floats, Source, into
from coded_dgd.problems.sparse import CompressedRows, Entries


class DerivedSource(Source):
    """A derived source has the rows of another source, changed in one respect.

    The names of columns stay those of the other source.
    Subclasses define `changed` for dense rows and `changed_entries` for sparse ones.

    Parameters
    ----------
    source : Source
        The source whose rows are changed.
    features : int, optional
        Number of columns after the change; by default the number before.
    """

    def __init__(self, source: Source, features: int | None = None) -> None:
        super().__init__(source.name, source.rows, features or source.features, source.storage)
        self.dtype, self.density, self.remedy = source.dtype, source.density, source.remedy
        self.classes, self.words = source.classes, source.words
        self.weights, self.intercept = source.weights, source.intercept
        self.source = source

    def describe(self) -> str:
        return self.source.describe()

    def feature_title(self, feature: int) -> str:
        return self.source.feature_title(feature)

    @property
    def names(self) -> tuple[str, ...] | None:
        return self.source.names

    def read(
        self, start: int, stop: int, out: tuple[Any, Any] | None = None
    ) -> tuple[Floats, Floats]:
        rows = self.source.read(start, stop, out if self.source.features == self.features else None)
        return into(out, *self.changed(start, *rows))

    def windows(self, rows_at_once: int | None = None) -> Iterator[tuple[Floats, Floats]]:
        start = 0
        for X, y in self.source.windows(rows_at_once):
            yield self.changed(start, X, y)
            start += len(y)

    def entries(self) -> Entries:
        """Return the changed rows of a sparse source; see `CompressedRows`."""
        assert isinstance(self.source, CompressedRows)
        return self.changed_entries(self.source.entries())

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        return self.read(start, stop)

    @abstractmethod
    def changed(self, start: int, X: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the rows from `start` on after the change; the arrays may be overwritten."""

    @abstractmethod
    def changed_entries(self, entries: Entries) -> Entries:
        """Return compressed rows after the change; the arrays must not be overwritten."""
