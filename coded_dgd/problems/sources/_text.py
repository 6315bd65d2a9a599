"""The readers of text formats share numbered lines, numbers, and windows of rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._compression import opened_text
from coded_dgd.problems.sources.base import Floats, Source

Row = TypeVar("Row")

STREAMED_BYTES = 2**23
"""Approximate size of a window of X in bytes; parsing needs a few times as much memory."""


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line that is not blank.

    Raises
    ------
    DataError
        If the file is not UTF-8 text, or is a damaged compressed file.
    """
    try:
        with opened_text(path) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise DataError(f"{path}, line {number}, is not text: save it as UTF-8 text")
                if not line.isspace():
                    yield number, line
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text in UTF-8: save it as UTF-8 text") from None


def to_number(token: str) -> float:
    """Return the number of a token; Python's ``1_000`` is not a number here.

    Raises
    ------
    ValueError
        If the token is not a number.
    """
    if "_" in token:
        raise ValueError(token)
    return float(token)


def is_number(token: str) -> bool:
    """Return whether the token is a number."""
    try:
        to_number(token)
    except ValueError:
        return False
    return True


def to_text(value: float) -> str:
    """Return a text of a number that is read as the same number."""
    return repr(value).removesuffix(".0")


class StreamedSource(Source, Generic[Row]):
    """A streamed source parses its rows anew on each read, so it does not hold a file in memory.

    Parameters
    ----------
    parse : callable
        Function that yields the parsed rows.
    dense : callable
        Function that makes X and y of a list of parsed rows.
    remedy : str, optional
        Remedy that errors name if rows do not fit in memory.
    """

    def __init__(
        self,
        name: str,
        rows: int,
        features: int,
        parse: Callable[[], Iterator[Row]],
        dense: Callable[[list[Row]], tuple[Floats, Floats]],
        remedy: str = Source.remedy,
    ) -> None:
        self.remedy = remedy
        super().__init__(name, rows, features, "read as text")
        self._parse, self._dense = parse, dense

    def windows(self, rows_at_once: int | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Yield all rows in order, in windows; by default a window holds about 8 MB of X."""
        step = rows_at_once or max(1, STREAMED_BYTES // (8 * self.features))
        parsed = self._parse()
        for start in range(0, self.rows, step):
            X, y = self._take(parsed, min(step, self.rows - start))
            self._refuse_unusable(start, X, y)
            yield X, y

    def _read(self, start: int, stop: int) -> tuple[Floats, Floats]:
        return self._take(itertools.islice(self._parse(), start, None), stop - start)

    def _take(self, parsed: Iterator[Row], rows: int) -> tuple[Floats, Floats]:
        found = list(itertools.islice(parsed, rows))
        if len(found) < rows:
            raise DataError(f"{self.name} has become shorter while it was read: try again")
        return self._dense(found)
