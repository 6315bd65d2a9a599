"""The format of LIBSVM and SVMlight is ``label index:value ...`` with ascending indices.

Indices count from 1; they count from 0 if there is an index 0, as ``load_svmlight_file`` of
scikit-learn detects it, or a comment at the beginning says so.
"""

from __future__ import annotations

import reprlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._columns import Columns
from coded_dgd.problems.sources._table import choice
from coded_dgd.problems.sources._text import StreamedSource, numbered_lines, to_number, to_text
from coded_dgd.problems.sources.base import Floats, Source, refuse_empty
from coded_dgd.problems.sources.sparse import SparseSource
from coded_dgd.reading import LARGEST_INDEX, Reading

OPTIONS = ("features", "columns")
"""Options of `Reading` that apply to a file of this format, apart from ``format``."""

ZERO_BASED = "# Column indices are zero-based"
"""Comment that scikit-learn writes above rows with indices from 0."""
FROM_0 = ", indices from 0"
"""Words that describe a file whose indices count from 0."""


class SvmLine(NamedTuple):
    """A line has a label and entries; `line` is its number in the file."""

    path: Path
    line: int
    label: float
    indices: list[int]
    values: list[float]


class Size(NamedTuple):
    """The size has the numbers of rows and columns, and the remedy if they exceed the memory."""

    rows: int
    features: int
    base: int
    """Index of the first column, 0 or 1."""
    remedy: str


def open_files(name: str, paths: Sequence[Path], reading: Reading) -> SparseSource:
    """Return the source of files, one after the other, which have the same columns.

    Comments (#) and query ids (qid:) are skipped. Indices count from 0 in all of the files if they
    do in one.

    Parameters
    ----------
    name : str
        Name of the source in errors.

    Raises
    ------
    DataError
        If a line is not in the format; the message names the line.
    """
    labels, values = array("d"), array("d")
    columns, starts = array("i"), array("q", [0])

    def take(row: SvmLine) -> None:
        labels.append(row.label)
        columns.extend(row.indices)
        values.extend(row.values)
        starts.append(len(columns))

    size = _scan(name, paths, reading, take)
    places = np.asarray(columns)
    places -= size.base
    source = SparseSource(
        name,
        np.asarray(labels),
        np.asarray(starts),
        places,
        np.asarray(values),
        size.features,
        size.remedy,
    )
    if reading.columns is not None:
        source = source.chosen(choice(name, size.features, reading))
    source.storage += "" if size.base else FROM_0
    return source


def stream_files(name: str, paths: Sequence[Path], reading: Reading) -> StreamedSource[SvmLine]:
    """Return the source of files, as of `open_files`, which are parsed anew on each read.

    Raises
    ------
    DataError
        In the same cases as `open_files`.
    """
    size = _scan(name, paths, reading, lambda row: None)
    columns = None if reading.columns is None else choice(name, size.features, reading)
    parse = partial(_rows_of, paths, reading)
    dense = partial(_dense, size=size, columns=columns)
    features = size.features if columns is None else len(columns.features)
    source = StreamedSource(name, size.rows, features, parse, dense, size.remedy)
    source.columns = columns
    source.storage += "" if size.base else FROM_0
    return source


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows in the format of `open_files`; zeros are left out.

    The first row has an entry for the last feature even if it is zero, so that the number of
    features is kept.
    """
    last = source.features
    for X, y in source.windows():
        for row, label in zip(X, y.tolist(), strict=True):
            entries = [f"{c + 1}:{to_text(float(row[c]))}" for c in np.flatnonzero(row)]
            if last and not row[-1]:
                entries.append(f"{last}:0")
            last = 0
            file.write((" ".join([to_text(label), *entries]) + "\n").encode())


def _scan(
    name: str, paths: Sequence[Path], reading: Reading, take: Callable[[SvmLine], None]
) -> Size:
    """Pass each row to `take`, in order; return the number of rows and columns.

    Raises
    ------
    DataError
        If a line is not a row, or there is no row or no feature.
    """
    rows, largest, at, base = 0, -1, "", min(map(_stated_base, paths))
    for row in _rows_of(paths, reading):
        take(row)
        rows += 1
        if row.indices:
            base = min(base, row.indices[0])
            if row.indices[-1] > largest:
                largest, at = row.indices[-1], f"{row.path}, line {row.line}"
    features = reading.features or largest + 1 - base
    refuse_empty(name, rows, features)
    if largest - base >= features:
        raise DataError(
            f"{at}: index {largest} is larger than --features {features} has, as "
            "indices count from 0 in this file: correct the line, or give a larger number"
        )
    if reading.features:
        return Size(rows, features, base, Source.remedy)
    return Size(
        rows,
        features,
        base,
        f"the largest index, {largest}, is on {at}: if it is wrong, correct it (--features "
        f"with the number of features names such lines), else {Source.remedy}",
    )


def _dense(rows: list[SvmLine], size: Size, columns: Columns | None) -> tuple[Floats, Floats]:
    X = np.zeros((len(rows), size.features))
    for dense, row in zip(X, rows, strict=True):
        dense[np.array(row.indices, np.intp) - size.base] = row.values
    X = X if columns is None else np.take(X, columns.features, axis=1)
    return X, np.array([row.label for row in rows])


def _rows_of(paths: Sequence[Path], reading: Reading) -> Iterator[SvmLine]:
    for path in paths:
        yield from _rows(path, reading)


def _rows(path: Path, reading: Reading) -> Iterator[SvmLine]:
    most = reading.features or LARGEST_INDEX
    for number, line in numbered_lines(path):
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        if len(tokens) > 1 and tokens[1].startswith("qid:"):
            del tokens[1]
        token, previous = tokens[0], -1
        indices, values = [], []
        try:
            label = to_number(token)
            for token in tokens[1:]:
                index_text, _, value_text = token.partition(":")
                if not index_text.isdecimal():
                    raise ValueError(index_text)
                index = int(index_text)
                if not previous < index <= most:
                    raise DataError(
                        f"{path}, line {number}: {_index_refusal(index, previous, reading)}"
                    )
                indices.append(index)
                values.append(to_number(value_text))
                previous = index
        except ValueError:
            csv = ", or add --format csv if commas separate the columns" if "," in token else ""
            raise DataError(
                f"{path}, line {number}: {reprlib.repr(token)} is not a number or index:value: "
                f"write lines as 'label index:value index:value'{csv}"
            ) from None
        yield SvmLine(path, number, label, indices, values)


def _stated_base(path: Path) -> int:
    """Return the index of the first column that comments at the beginning state; 1 without one."""
    for _, line in numbered_lines(path):
        if not line.startswith("#"):
            break
        if line.startswith(ZERO_BASED):
            return 0
    return 1


def _index_refusal(index: int, previous: int, reading: Reading) -> str:
    """Return the reason why an index is invalid, and the remedy."""
    if index <= previous:
        return (
            f"index {index} after {previous}: write the indices of a line ascending from 1, each "
            "once"
        )
    if reading.features:
        return (
            f"index {index} is larger than --features {reading.features}: correct the line, or "
            "give a larger number"
        )
    return (
        f"index {index} is larger than any that can be read, {LARGEST_INDEX}: correct the line "
        "(--features with the number of features names all such lines)"
    )
