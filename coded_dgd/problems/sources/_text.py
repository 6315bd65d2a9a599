"""What the readers of text formats share: numbered lines, numbers, and rows by the window."""

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
"""About what a window of X takes; its numbers take some times that while they are parsed."""


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1.

    Raises
    ------
    DataError
        If the file is not UTF-8 text, or is compressed and damaged.
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
    """Return the number that the token is; Python's own ``1_000`` is none.

    Raises
    ------
    ValueError
        If it is none.
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
    """Write a number so that it is read as the same one."""
    return repr(value).removesuffix(".0")


class StreamedSource(Source, Generic[Row]):
    """Rows that are parsed anew each time they are asked for: a file of any size takes no memory.

    Parameters
    ----------
    parse : callable
        Yields what the rows of the file hold.
    dense : callable
        Makes X and y of several of them.
    remedy : str, optional
        What to do where rows do not fit in memory.
    """

    def __init__(
        self,
        path: Path,
        rows: int,
        features: int,
        parse: Callable[[Path], Iterator[Row]],
        dense: Callable[[list[Row]], tuple[Floats, Floats]],
        remedy: str = Source.remedy,
    ) -> None:
        self.remedy = remedy
        super().__init__(str(path), rows, features, "read as text")
        self._path, self._parse, self._dense = path, parse, dense

    def windows(self, rows_at_once: int | None = None) -> Iterator[tuple[Floats, Floats]]:
        """Read all rows in order, in windows; by default of some 8 MB of X."""
        step = rows_at_once or max(1, STREAMED_BYTES // (8 * self.features))
        parsed = self._parse(self._path)
        for start in range(0, self.rows, step):
            X, y = self._take(parsed, min(step, self.rows - start))
            self._refuse_unusable(start, X, y)
            yield X, y

    def _read(self, start: int, stop: int) -> tuple[Floats, Floats]:
        return self._take(itertools.islice(self._parse(self._path), start, None), stop - start)

    def _take(self, parsed: Iterator[Row], rows: int) -> tuple[Floats, Floats]:
        found = list(itertools.islice(parsed, rows))
        if len(found) < rows:
            raise DataError(f"{self.name} has become shorter while it was read: try again")
        return self._dense(found)
