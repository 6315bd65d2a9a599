"""The format of LIBSVM and SVMlight: ``label index:value ...``, indices ascending from 1."""

from __future__ import annotations

import reprlib
from array import array
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._text import numbered_lines, to_number
from coded_dgd.problems.sources.base import Floats, Source

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

    def _read(self, start: int, stop: int) -> tuple[ArrayLike, ArrayLike]:
        return self._X[start:stop].toarray(), self._y[start:stop]


def open_file(path: Path) -> SparseSource:
    """Return the source of the file; comments (#) and query ids (qid:) are skipped.

    Raises
    ------
    DataError
        If a line is not in the format, naming it.
    """
    labels, values = array("d"), array("d")
    columns, starts = array("i"), array("q", [0])
    for number, line in numbered_lines(path):
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        if len(tokens) > 1 and tokens[1].startswith("qid:"):
            del tokens[1]
        token, previous = tokens[0], 0
        try:
            labels.append(to_number(token))
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
        starts.append(len(columns))
    return SparseSource(str(path), *map(np.asarray, (labels, starts, columns, values)))
