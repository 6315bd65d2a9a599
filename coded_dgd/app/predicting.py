"""Predictions are written to a file, or to standard output, by the window."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import UsageError
from coded_dgd.files import replacing
from coded_dgd.problems.predictor import Predictor
from coded_dgd.problems.sources import Reading, Source, open_source, to_text
from coded_dgd.problems.sources.npy import write_header

Values = NDArray[Any]

FORMATS = (".csv", ".npy")
"""Suffixes of files of predictions."""
HEADER = "prediction"
"""Name of the column of predictions; one of probabilities is called by its class."""


def opened(
    path: Path,
    objective: str | None,
    data: str,
    seed: int,
    reading: Mapping[str, Any],
    labelled: bool,
) -> tuple[Predictor, Source]:
    """Open a model, and data for it that are read by the window.

    Parameters
    ----------
    path : Path
        Folder of a run, or a file of its model.
    objective : str, optional
        Text of ``--objective``.
    data : str
        Text of ``--data``.
    seed : int
        Seed of synthetic data.
    reading : mapping
        Options of `Reading`.
    labelled : bool
        Whether labels are read if there are any.
    """
    predictor = Predictor.read(path, objective)
    columns = replace(predictor.model.columns, labelled=labelled)
    read = Reading(**reading, model=columns)
    return predictor, open_source(data, seed, read, streamed=True)


def check_suffix(path: Path) -> None:
    """Raise a UsageError if predictions cannot be written in the format that a suffix names."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {path}: predictions are written to {' or '.join(FORMATS)} files")


def write(predictor: Predictor, source: Source, path: Path, proba: bool) -> None:
    """Write what a model predicts of all rows, in the format of the suffix of the file.

    A ``.csv`` file has a header and a line for each row. A ``.npy`` file has an array of shape
    (m,), or with probabilities (m, C). All of the file is written, or none of it.

    Parameters
    ----------
    proba : bool
        Whether to write the probability of each class instead of predictions.

    Raises
    ------
    CodedDGDError
        If the data do not fit the model, or the file cannot be written.
    """
    check_suffix(path)
    with replacing(path, "name another file with --out") as file:
        if path.suffix.lower() == ".csv":
            write_text(predictor, source, lambda text: file.write(text.encode()), proba)
        else:
            _write_array(file, _windows(predictor, source, proba), source.rows)


def write_text(
    predictor: Predictor, source: Source, put: Callable[[str], Any], proba: bool
) -> None:
    """Hand all rows to `put` as comma-separated text, a window at a time; see `write`."""
    header = [HEADER]
    if proba and predictor.model.classes is not None:
        header = [_text(each) for each in predictor.model.classes.tolist()]
    for number, window in enumerate(_windows(predictor, source, proba)):
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        if not number:
            writer.writerow(header)
        rows = window.reshape(len(window), -1).tolist()
        writer.writerows([map(_text, row) for row in rows])
        put(lines.getvalue())


def _windows(predictor: Predictor, source: Source, proba: bool) -> Iterator[Values]:
    return predictor.probabilities(source) if proba else predictor.predictions(source)


def _write_array(file: IO[bytes], windows: Iterator[Values], rows: int) -> None:
    for number, window in enumerate(windows):
        if not number:
            write_header(file, (rows, *window.shape[1:]), window.dtype)
        file.write(np.ascontiguousarray(window).tobytes())


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else to_text(value)
