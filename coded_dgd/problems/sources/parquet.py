"""A Parquet file is a table with names and groups of rows, one of whose columns is the label.

Rows are decoded batch by batch, so that memory does not depend on their number. As a decoder only
goes forward, and decoding takes much longer than reading, a file that is read several times, or
many blocks side by side, is decoded into a temporary file, which is memory-mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from coded_dgd.errors import DataError, UsageError, one_line
from coded_dgd.problems.sources._columns import Columns, written_names
from coded_dgd.problems.sources._fields import ENCODE, FILL
from coded_dgd.problems.sources._label import find_columns
from coded_dgd.problems.sources._words import refuse_many
from coded_dgd.problems.sources.base import ArraySource, Floats, Source
from coded_dgd.reading import Reading

OPTIONS = ("label", "columns")
"""Options of `Reading` that apply to a file of this format, apart from ``format``."""

BATCH_BYTES = 2**22
"""Approximate size in bytes of the rows that are decoded at once."""
RETURNS = 1
"""Number of reads that may go back before the rows are decoded into a file."""
BUFFER_BYTES = 2**20
"""Number of bytes of a column in the file that are read at once."""


class ParquetSource(Source):
    """This source decodes rows in order, and keeps them in a file if reads go back repeatedly.

    Parameters
    ----------
    path : Path
    file : pyarrow.parquet.ParquetFile
    columns : Columns
        Columns of the table, with names.

    Raises
    ------
    DataError
        If a feature is not of a type of real numbers, or the label neither of one nor text.
    """

    def __init__(self, path: Path, file: Any, columns: Columns) -> None:
        groups = file.metadata
        sizes = [groups.row_group(group).num_rows for group in range(groups.num_row_groups)]
        super().__init__(str(path), sum(sizes), len(columns.features), "read by row groups")
        assert columns.names is not None
        self.labelled = columns.label is not None
        places = columns.features if columns.label is None else (*columns.features, columns.label)
        self._file, self._ends, self.columns = file, np.cumsum(sizes), columns
        self._titles = [*map(columns.title, columns.features), columns.label_title()]
        self._names = [columns.names[place] for place in places]
        kinds = [file.schema_arrow.field(name).type for name in self._names]
        if self.labelled and _is_text(kinds[-1]):
            self.words = self._distinct()
        self._places = {word: place for place, word in enumerate(self.words or ())}
        numbers = kinds if self.words is None else kinds[:-1]
        for title, kind in zip(self._titles, numbers, strict=False):
            if not _is_real(kind):
                what = "text" if _is_text(kind) else f"of type {kind}"
                raise DataError(f"{path}, {title}, is {what}, which is no number: {ENCODE}")
        if {*map(str, numbers)} <= {"float", "halffloat"}:
            self.dtype = np.dtype(np.float32)
        self._batches: Iterator[Floats] = iter(())
        self._kept, self._next = np.empty((0, len(kinds))), -1  # no row is decoded yet
        self._returns = 0
        self._decoded_once: ArraySource | None = None

    def _read(self, start: int, stop: int) -> tuple[Floats, Floats]:
        if self._decoded_once is None and start < self._next:
            self._returns += 1
            if self._returns > RETURNS:
                self._decoded_once = self._in_a_file()
        if self._decoded_once is not None:
            return self._decoded_once.read(start, stop)
        group = int(np.searchsorted(self._ends, start, "right"))
        begin = int(self._ends[group - 1]) if group else 0
        if not begin <= self._next <= start:
            self._batches, self._kept, self._next = self._decoded(group), self._kept[:0], begin
        self._taken(start - self._next)
        A = np.concatenate([self._kept[:0], *self._taken(stop - start)])
        if self._next == self.rows:  # the decoder holds buffers, and there may be many files
            self._batches, self._kept = iter(()), np.empty((0, len(self._names)))
        return self._separated(A)

    def _separated(self, A: Floats) -> tuple[Floats, Floats]:
        """Return X and y of decoded rows."""
        return (A[:, :-1], A[:, -1]) if self.labelled else (A, np.zeros(len(A)))

    def _taken(self, rows: int) -> list[Floats]:
        """Return the next rows, in parts."""
        parts, self._next = [], self._next + rows
        while rows:
            if not len(self._kept):
                self._kept = self._following()
            parts.append(self._kept[:rows])
            self._kept = self._kept[rows:]
            rows -= len(parts[-1])
        return parts

    def _in_a_file(self) -> ArraySource:
        """Return the source of all rows, decoded into a temporary file without a name."""
        try:
            with TemporaryFile() as file:
                for A in self._decoded(0):
                    file.write(A.astype(self.dtype).tobytes())
                file.flush()
                table = np.memmap(file, self.dtype, "r", shape=(self.rows, len(self._names)))
        except OSError as error:
            raise DataError(
                f"{self.name} cannot be decoded into a temporary file ({one_line(error)}): set "
                "TMPDIR to a folder with more space, or convert the data to .npy there"
            ) from None
        return ArraySource(self.name, *self._separated(table), self.storage)

    def _following(self) -> Floats:
        for batch in self._batches:
            return batch
        raise DataError(f"{self.name} has fewer rows than it says: write it again")

    def _decoded(self, group: int) -> Iterator[Floats]:
        """Yield the rows from the beginning of a row group on, label last."""
        row = int(self._ends[group - 1]) if group else 0
        for batch in self._raw([*range(group, len(self._ends))], self._names):
            A = np.empty((len(batch), len(self._names)))
            for place, name in enumerate(self._names):
                column = batch.column(batch.schema.get_field_index(name))
                self._refuse_nulls(column, row, self._titles[place])
                A[:, place] = self._numbers(column)
            row += len(batch)
            yield A

    def _raw(self, groups: list[int], names: list[str]) -> Iterator[Any]:
        size = max(1, BATCH_BYTES // (8 * len(names)))
        with _named(self.name):
            yield from self._file.iter_batches(size, groups, names, use_threads=False)

    def _numbers(self, column: Any) -> Any:
        if _is_text(column.type):
            coded = column.dictionary_encode()
            places = [self._places.get(word, -1) for word in coded.dictionary.to_pylist()]
            return np.array(places)[coded.indices.to_numpy()]
        if str(column.type).startswith("decimal"):
            column = column.cast("float64")
        return column.to_numpy(zero_copy_only=False)

    def _distinct(self) -> tuple[str, ...]:
        """Return the distinct texts of the labels, ascending."""
        found: set[str] = set()
        row = 0
        for batch in self._raw([*range(len(self._ends))], self._names[-1:]):
            column = batch.column(batch.schema.get_field_index(self._names[-1]))
            self._refuse_nulls(column, row, self._titles[-1])
            found.update(column.unique().to_pylist())
            refuse_many(self.name, len(found))
            row += len(batch)
        return tuple(sorted(found))

    def _refuse_nulls(self, column: Any, row: int, title: str) -> None:
        if column.null_count:
            place = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise DataError(
                f"{self.name}, row {row + place + 1}, {title}: null is a missing value: {FILL}"
            )


def open_file(path: Path, reading: Reading) -> ParquetSource:
    """Return the source of the file; the columns of an index of pandas are not part of the table.

    Raises
    ------
    DataError
        If the file is damaged, has other content, or a column of ``--label`` or ``--columns`` does
        not exist.
    UsageError
        If pyarrow is not installed.
    """
    parquet = _parquet(str(path))
    with _named(str(path)):
        # pre_buffer would read whole row groups
        file = parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        schema = file.schema_arrow
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    names = tuple(name for name in schema.names if name not in index)
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: {names.count(name)} columns are called {name!r}: rename them")
    if not names:
        raise DataError(f"{path} has no columns: write features and then the label")
    return ParquetSource(path, file, find_columns(len(names), names, reading, str(path)))


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows in the format of `open_file`, a row group for each window.

    Raises
    ------
    UsageError
        If pyarrow is not installed.
    """
    parquet = _parquet(".parquet")
    from pyarrow import array, schema, table

    names, words = written_names(source.columns, source.features), source.words
    kind = str(source.dtype)
    types = schema(
        [*((name, kind) for name in names[:-1]), (names[-1], "string" if words else kind)]
    )
    with parquet.ParquetWriter(file, types) as writer:
        for X, y in source.windows():
            labels = y if words is None else np.array(words)[y.astype(int)]
            columns = [array(column.astype(kind)) for column in X.T]
            columns.append(array(labels if words else labels.astype(kind)))
            writer.write_table(table(columns, schema=types))


def _parquet(name: str) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"{name} needs pyarrow: pip install 'coded_dgd[parquet]'") from None
    return parquet


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Refuse a file in which pyarrow finds damage."""
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"{name} is damaged or no Parquet file ({one_line(error)}): write it again"
        ) from None


def _is_text(kind: Any) -> bool:
    """Return whether a type of pyarrow is text, or a dictionary of texts."""
    values = kind.value_type if str(kind).startswith("dictionary") else kind
    return str(values) in ("string", "large_string", "string_view")


def _is_real(kind: Any) -> bool:
    """Return whether a type of pyarrow is one of real numbers."""
    return str(kind).startswith(("int", "uint", "decimal")) or str(kind) in (
        "halffloat", "float", "double", "bool",
    )  # fmt: skip
