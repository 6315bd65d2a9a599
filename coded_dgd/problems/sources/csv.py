"""Comma-separated values: features and then the label on each line, after an optional header."""

from __future__ import annotations

import re
import reprlib
from array import array
from pathlib import Path

import numpy as np

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._text import is_number, numbered_lines, to_number
from coded_dgd.problems.sources.base import ArraySource

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
            values.extend(map(to_number, tokens))
        except ValueError:
            column = [is_number(token) for token in tokens].index(False)
            raise DataError(
                f"{path}, line {number}, column {column + 1}: {reprlib.repr(tokens[column])} is "
                "not a number: write numbers with commas between, below a header of names only"
            ) from None
        rows += 1
    return ArraySource.joined(str(path), np.asarray(values).reshape(rows, width), "in memory")
