"""The format of LIBSVM and SVMlight: ``label index:value ...``, indices ascending from 1."""

from __future__ import annotations

import reprlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._text import StreamedSource, numbered_lines, to_number, to_text
from coded_dgd.problems.sources.base import LARGEST, Floats, Source, refuse_empty

LARGEST_INDEX = 2**31 - 1


class SparseSource(Source):
    """Rows held sparse and made dense as they are read.

    Parameters
    ----------
    labels : ndarray, shape (m,)
    starts : ndarray, shape (m + 1,)
        Row i has the entries starts[i] to starts[i + 1] of the next two.
    columns, values : ndarray
        Columns, from 0, and what stands there.
    """

    def __init__(
        self, name: str, labels: Floats, starts: ArrayLike, columns: ArrayLike, values: Floats
    ) -> None:
        from scipy.sparse import csr_array

        features = int(np.max(columns, initial=-1)) + 1
        super().__init__(name, len(labels), features, "sparse in memory")
        self._X = csr_array((values, columns, starts), shape=(self.rows, self.features))
        self._y = labels
        self.density = self._X.nnz / (self.rows * self.features)

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        return self._X[start:stop].toarray(), self._y[start:stop]

    def entries(self) -> tuple[NDArray[Any], NDArray[Any], Floats, Floats]:
        """Return starts, columns and values of the rows, and the labels.

        Raises
        ------
        DataError
            As `read`.
        """
        starts, values = self._X.indptr, self._X.data
        for numbers, of_row in ((values, starts[1:]), (self._y, np.arange(1, self.rows + 1))):
            usable = np.abs(numbers) <= LARGEST  # nan is not
            if not usable.all():
                row = int(np.searchsorted(of_row, usable.argmin(), "right"))
                self.read(row, row + 1)
        return starts, self._X.indices, values, self._y


class Row(NamedTuple):
    """What stands on a line; columns count from 0."""

    label: float
    columns: list[int]
    values: list[float]


def open_file(path: Path) -> SparseSource:
    """Return the source of the file; comments (#) and query ids (qid:) are skipped.

    Raises
    ------
    DataError
        If a line is not in the format, naming it.
    """
    labels, values = array("d"), array("d")
    columns, starts = array("i"), array("q", [0])
    for row in _rows(path):
        labels.append(row.label)
        columns.extend(row.columns)
        values.extend(row.values)
        starts.append(len(columns))
    return SparseSource(str(path), *map(np.asarray, (labels, starts, columns, values)))


def stream_file(path: Path) -> StreamedSource[Row]:
    """Return the source of the file, parsed as it is read.

    Raises
    ------
    DataError
        As `open_file`.
    """
    rows = features = 0
    for row in _rows(path):
        rows += 1
        features = max(features, row.columns[-1] + 1 if row.columns else 0)
    refuse_empty(str(path), rows, features)
    return StreamedSource(path, rows, features, _rows, _dense)


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows, as `open_file` reads them; zeros are left out.

    The first row names the last feature whatever it is, so that the number of features stays.
    """
    last = source.features
    for X, y in source.windows():
        for row, label in zip(X, y.tolist(), strict=True):
            entries = [f"{c + 1}:{to_text(float(row[c]))}" for c in np.flatnonzero(row)]
            if last and not row[-1]:
                entries.append(f"{last}:0")
            last = 0
            file.write((" ".join([to_text(label), *entries]) + "\n").encode())


def _dense(rows: list[Row], features: int) -> tuple[Floats, Floats]:
    X = np.zeros((len(rows), features))
    for dense, row in zip(X, rows, strict=True):
        dense[row.columns] = row.values
    return X, np.array([row.label for row in rows])


def _rows(path: Path) -> Iterator[Row]:
    for number, line in numbered_lines(path):
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        if len(tokens) > 1 and tokens[1].startswith("qid:"):
            del tokens[1]
        token, previous = tokens[0], 0
        columns, values = [], []
        try:
            label = to_number(token)
            for token in tokens[1:]:
                index_text, _, value_text = token.partition(":")
                if not index_text.isdecimal():
                    raise ValueError(index_text)
                index = int(index_text)
                if not previous < index <= LARGEST_INDEX:
                    raise DataError(
                        f"{path}, line {number}: index {index} after {previous}: "
                        "write the indices of a line ascending from 1, each once"
                    )
                columns.append(index - 1)
                values.append(to_number(value_text))
                previous = index
        except ValueError:
            raise DataError(
                f"{path}, line {number}: {reprlib.repr(token)} is not a number or index:value: "
                "write lines as 'label index:value index:value'"
            ) from None
        yield Row(label, columns, values)
