"""Comma-separated values: features and then the label on each line, after an optional header."""

from __future__ import annotations

import re
import reprlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._text import (
    StreamedSource,
    is_number,
    numbered_lines,
    to_number,
    to_text,
)
from coded_dgd.problems.sources.base import ArraySource, Floats, Source, refuse_empty

QUOTED = re.compile('"[^"]*"')  # a name in the header may hold commas


def open_file(path: Path) -> ArraySource:
    """Return the source of the file, held in memory.

    A first line in which no column is a number is taken as the header.

    Raises
    ------
    DataError
        If the file is not such text, naming the line.
    """
    values = array("d")
    width = rows = 0
    for row in _rows(path):
        values.extend(row)
        width = len(row)
        rows += 1
    return ArraySource.joined(str(path), np.asarray(values).reshape(rows, width), "in memory")


def stream_file(path: Path) -> StreamedSource[list[float]]:
    """Return the source of the file, parsed as it is read.

    Raises
    ------
    DataError
        As `open_file`.
    """
    width = rows = 0
    for row in _rows(path):
        width = len(row)
        rows += 1
    refuse_empty(str(path), rows, width - 1)
    return StreamedSource(path, rows, width - 1, _rows, _dense)


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows, as `open_file` reads them, without a header."""
    for X, y in source.windows():
        for row in np.column_stack([X, y]).tolist():
            file.write((",".join(map(to_text, row)) + "\n").encode())


def _dense(rows: list[list[float]], _: int) -> tuple[Floats, Floats]:
    A = np.array(rows)
    return A[:, :-1].copy(), A[:, -1].copy()


def _rows(path: Path) -> Iterator[list[float]]:
    width = 0
    for number, line in numbered_lines(path):
        tokens = line.strip().split(",")
        if not width:
            width = len(tokens)
            if not any(map(is_number, tokens)):
                width = QUOTED.sub("", line).count(",") + 1
                continue
        if len(tokens) != width:
            raise DataError(
                f"{path}, line {number}: {len(tokens)} columns, but {width} on the first line: "
                "give every line the same columns"
            )
        try:
            yield [to_number(token) for token in tokens]
        except ValueError:
            column = [is_number(token) for token in tokens].index(False)
            raise DataError(
                f"{path}, line {number}, column {column + 1}: {reprlib.repr(tokens[column])} is "
                "not a number: write numbers with commas between, below a header of names only"
            ) from None
