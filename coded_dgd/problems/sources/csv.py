"""A csv file has comma-separated values: an optional header, then one row per line.

One column is the label.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from coded_dgd.errors import DataError, shown
from coded_dgd.problems.sources._columns import Columns, written_names
from coded_dgd.problems.sources._fields import (
    is_svm,
    kind,
    other_separator,
    quote,
    split,
    uncommented,
    why_no_number,
)
from coded_dgd.problems.sources._header import COUNTED, find_header, may_count, refuse_count
from coded_dgd.problems.sources._label import find_columns
from coded_dgd.problems.sources._table import table_source
from coded_dgd.problems.sources._text import StreamedSource, numbered_lines, to_number, to_text
from coded_dgd.problems.sources._words import Words
from coded_dgd.problems.sources.base import ArraySource, Floats, Source, refuse_empty
from coded_dgd.reading import Reading

OPTIONS = ("header", "label", "columns")
"""Options of `Reading` that apply to a file of this format, apart from ``format``."""

Row = list[float]


@dataclass(frozen=True)
class Head:
    """The head is the information in the first lines of a file."""

    columns: Columns
    begin: int
    """Number of the line after which rows begin: that of the header, or 0."""
    may_count: bool
    """Whether the first column may be an index."""
    words: Words | None = None
    """Numbering of the labels if these are text; None if they are numbers."""

    @property
    def taken(self) -> tuple[int, ...]:
        """Places of the columns that a parsed row has, in order; the others are not parsed."""
        chosen, label = self.columns.chosen, self.columns.label
        if chosen is None:
            return tuple(range(self.columns.width))
        return chosen if label is None else (*chosen, label)

    @property
    def label(self) -> int | None:
        """Place of the label in a parsed row; None without labels."""
        label = self.columns.label
        return label if label is None or not self.columns.chosen else len(self.taken) - 1


def open_file(path: Path, reading: Reading) -> ArraySource:
    """Return the source of the file, held in memory.

    Raises
    ------
    DataError
        If a line is invalid, which the message names, or the content is ambiguous.
    """
    head = _read_head(path, reading)
    values = array("d")
    rows = _scan(path, head, values.extend)
    A = np.asarray(values).reshape(rows, len(head.taken))
    if head.words is not None and head.label is not None:
        labels = A[:, head.label]
        labels[:] = head.words.settle()[labels.astype(int)]
    source = table_source(str(path), A, Columns(len(head.taken), head.label), "in memory")
    _describe(source, head)
    return source


def stream_file(path: Path, reading: Reading) -> StreamedSource[Row]:
    """Return the source of the file, which is parsed anew on each read.

    Raises
    ------
    DataError
        In the same cases as `open_file`.
    """
    head = _read_head(path, reading)
    rows, features = _scan(path, head, lambda row: None), len(head.columns.features)
    refuse_empty(str(path), rows, features)
    if head.words is not None:
        head.words.settle()
    parse, dense = partial(_rows, path, head), partial(_separate, label=head.label)
    source = StreamedSource(str(path), rows, features, parse, dense)
    _describe(source, head)
    return source


def _describe(source: Source, head: Head) -> None:
    source.columns, source.labelled = head.columns, head.label is not None
    source.words = None if head.words is None else head.words.texts


def _separate(rows: list[Row], label: int | None) -> tuple[Floats, Floats]:
    """Return X and y of parsed rows as new arrays."""
    A = np.array(rows)
    if label is None:
        return A, np.zeros(len(A))
    return np.delete(A, label, axis=1), A[:, label].copy()


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows in the format of `open_file`, the label last.

    There is a header, with the names of `written_names`, only if labels are text, as text in the
    first row might be one. Otherwise numbers of the first row have a decimal point or an exponent,
    so they cannot be mistaken for numbers of columns.
    """
    text: Callable[[float], str] = repr
    words = source.words
    if words is not None:
        names = written_names(source.columns, source.features)
        file.write((",".join(map(quote, names)) + "\n").encode())
    quoted = [quote(word) for word in words or ()]
    for X, y in source.windows():
        for row, label in zip(X.tolist(), y.tolist(), strict=True):
            last = text(label) if words is None else quoted[int(label)]
            file.write((",".join([*map(text, row), last]) + "\n").encode())
            text = to_text


def _read_head(path: Path, reading: Reading) -> Head:
    comment: str | None = None
    lines: list[tuple[int, list[str]]] = []
    for number, line in numbered_lines(path):
        text = uncommented(line)
        if text is None:
            where = f"{path}, line {number}"
            _refuse_separator(line, where)
            lines.append((number, _split(line, where)))
            if len(lines) == 2:
                break
        elif not lines:
            comment = text
    if not lines:
        return Head(Columns(2, 1), 0, False)  # no rows: refused later
    number, first = lines[0]
    second = lines[1][1] if len(lines) > 1 else []
    where = f"{path}, line {number}"
    header = find_header(first, second, _names_in(comment), reading.header, where)
    columns = find_columns(len(first), header.names, reading, str(path))
    begin = number if header.in_first_line else 0
    row = second if begin else first
    label = columns.label
    worded = label is not None and len(row) == columns.width and kind(row[label]) == "text"
    counting = may_count(first, columns, reading)
    return Head(columns, begin, counting, Words() if worded else None)


def _names_in(comment: str | None) -> list[str] | None:
    try:
        return None if comment is None else split(comment)
    except ValueError:
        return None


def _scan(path: Path, head: Head, take: Callable[[Row], Any]) -> int:
    """Pass each row to `take`, in order; return the number of rows.

    Raises
    ------
    DataError
        If a line is not a row, or the first column counts the rows.
    """
    rows, counting, first = 0, head.may_count, 0.0
    for row in _rows(path, head):
        take(row)
        if counting:
            first = row[0] if not rows else first
            counting = row[0] == first + rows
        rows += 1
    if counting and rows >= COUNTED:
        refuse_count(str(path), int(first))
    return rows


def _rows(path: Path, head: Head) -> Iterator[Row]:
    width, words, label = head.columns.width, head.words, head.label
    take = None if head.columns.chosen is None else _take(head.taken)
    special = "_" if take is None and words is None else '_#"'  # Python would read 1_000
    lines = numbered_lines(path)
    if head.begin:
        next((number for number, _ in lines if number == head.begin), None)
    for number, line in lines:
        fields: list[Any] = line.split(",")
        if len(fields) == width and not any(sign in line for sign in special):
            if take is not None:
                fields = [*take(fields)]
            if words is not None and label is not None:
                fields[label] = words.numbers.get(fields[label].strip())  # None is no number
            try:
                row = list(map(float, fields))
            except (ValueError, TypeError):
                pass
            else:
                yield row
                continue
        if uncommented(line) is None:
            yield _numbers(line, head, f"{path}, line {number}")


def _take(places: tuple[int, ...]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """Return a function that takes the fields in these places."""
    if len(places) == 1:
        return lambda fields: (fields[places[0]],)
    return itemgetter(*places)


def _numbers(line: str, head: Head, where: str) -> Row:
    """Return the numbers of a line that needs full parsing; refuse an invalid line."""
    columns, words = head.columns, head.words
    fields = _split(line, where)
    if len(fields) != columns.width:
        _refuse_width(line, fields, columns, where)
    if columns.names is not None and tuple(fields) == columns.names:
        raise DataError(f"{where}: this is the header again: delete the line")
    row = []
    for place in head.taken:
        if words is not None and place == columns.label:
            row.append(words.number(fields[place], f"{where}, {columns.title(place)}"))
            continue
        try:
            row.append(to_number(fields[place]))
        except ValueError:
            _refuse_field(line, fields, place, head, where)
    return row


def _refuse_field(line: str, fields: list[str], place: int, head: Head, where: str) -> NoReturn:
    _refuse_separator(line, where)
    field, title = fields[place], f"{where}, {head.columns.title(place)}"
    if place == len(fields) - 1 and not field:
        raise DataError(
            f"{where} ends with a comma, and its last column is blank: delete the comma at the end "
            "of each line, or fill the value"
        )
    if place == head.columns.label and kind(field) == "text":
        raise DataError(
            f"{title}: the label {shown(field)} is text, and the labels before it are numbers: "
            "write all labels as text, or all as numbers"
        )
    separator = " " if not field else ": "
    raise DataError(f"{title}{separator}{why_no_number(field)}")


def _split(line: str, where: str) -> list[str]:
    try:
        return split(line)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None


def _refuse_separator(line: str, where: str) -> None:
    if is_svm(line):
        raise DataError(f"{where} is a line of an svm file: add --format svm")
    if separator := other_separator(line):
        raise DataError(
            f"{where}: columns are separated by {separator}, not by commas: write commas between "
            "columns and points in numbers, as numpy.savetxt(..., delimiter=',') or pandas' to_csv "
            "do"
        )


def _refuse_width(line: str, fields: list[str], columns: Columns, where: str) -> None:
    _refuse_separator(line, where)
    if len(fields) == columns.width + 1 and not fields[-1]:
        remedy = "delete the comma at the end of the line"
    elif len(fields) == columns.width + 1 and columns.names is not None:
        remedy = (
            "give every line the same columns; where R has written row names, which have no name "
            "in the header, write the file with row.names=FALSE"
        )
    else:
        remedy = "give every line the same columns, and write numbers without commas in them"
    raise DataError(
        f"{where}: {len(fields)} columns, but {columns.width} on the first line: {remedy}"
    )
