"""A data source is synthetic, or a file whose suffix or ``--format`` names its format.

A format is a module that is imported when a file needs it. It has ``OPTIONS``, the names of the
options of `Reading` that apply to it, ``open_file(path, reading) -> Source`` and
``write(file, source)``. A text format also has ``stream_file(path, reading)``, for files of any
size, and its files may be compressed. A format whose files have to be seen together has
``open_files(name, paths, reading)`` and ``stream_files(name, paths, reading)`` instead.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from coded_dgd.errors import DataError, one_line
from coded_dgd.files import replacing
from coded_dgd.problems.sources._compression import (
    COMPRESSIONS,
    compressed,
    compression_suffix,
    refuse_damaged,
)
from coded_dgd.problems.sources._content import TEXT, refuse_other
from coded_dgd.problems.sources._shards import ShardedSource, allow_open, files
from coded_dgd.problems.sources._text import to_text
from coded_dgd.problems.sources._weights import read_weights
from coded_dgd.problems.sources.base import Source
from coded_dgd.reading import Reading
from coded_dgd.spec import nearest

__all__ = ["AS_THEY_ARE", "Reading", "Source", "files", "open_source", "save", "to_text"]

READERS = {
    ".npy": "npy",
    ".npz": "npz",
    ".svm": "svm",
    ".libsvm": "svm",
    ".svmlight": "svm",
    ".csv": "csv",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".parquet": "parquet",
    ".pq": "parquet",
}
WEIGHTED = ("npz", "hdf5")
"""Formats that hold sample weights."""
WORDED = ("csv", "npz", "parquet")
"""Formats that hold labels that are text."""
AS_THEY_ARE = Reading()

ONLY = {
    "header": "only csv files have a header",
    "label": "only csv, npy and parquet files hold the label among other columns",
    "columns": "they are made with as many columns as they are to have",
    "features": "only svm files leave columns out",
    "format": "they are no file",
}
"""Reason for which an option does nothing for other data."""

FOREIGN = {
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "pandas.read_excel"),
    ".feather": "pandas.read_feather",
    ".json": "pandas.read_json",
    **dict.fromkeys((".pkl", ".pickle"), "pandas.read_pickle"),
    ".tsv": "pandas.read_table",
    ".dta": "pandas.read_stata",
    ".sav": "pandas.read_spss",
}
"""Function that reads each format that this package does not read."""


def open_source(
    text: str, seed: int, reading: Reading = AS_THEY_ARE, streamed: bool = False
) -> Source:
    """Return the source that ``--data`` names.

    Parameters
    ----------
    text : str
        ``synthetic:rows=1000,features=100``, the path of a file, or a directory or pattern of
        files, whose rows follow each other in the order of their names.
    seed : int
        Seed of synthetic data; files do not depend on it.
    reading : Reading
        Options for reading a file.
    streamed : bool
        Whether to parse a text file anew on each read, in order, rather than hold it in memory.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, is not in the format of its suffix, or its content
        is ambiguous.
    UsageError
        If the text is invalid, an option does nothing for these data, or an optional package is
        missing.
    """
    if text.partition(":")[0] == "synthetic":
        from coded_dgd.problems.sources import synthetic

        _refuse_idle(text, reading, (), "synthetic data")
        return _weighted(synthetic.open_text(text, seed), reading)
    paths = files(text)
    if not paths:
        found = "is a directory without" if Path(text).is_dir() else "is a pattern of no"
        raise DataError(f"{text} {found} data files: check the path")
    title = str(paths[0]) if len(paths) == 1 else text
    name = _common_reader(paths, reading)
    reader = _module(name)
    _refuse_idle(text, reading, ("format", *reader.OPTIONS), f"{name} files")
    all_columns = reading.features is None and reading.columns is None
    if reading.model is not None and "features" in reader.OPTIONS and all_columns:
        reading = replace(reading, features=reading.model.features)
    try:
        source = _opened(reader, title, paths, reading, streamed)
    except DataError:
        if name in TEXT:
            for path in paths:
                refuse_damaged(path)  # damage is the cause if this raises
        raise
    except OSError as error:
        raise DataError(f"{title} cannot be read: {one_line(error)}") from None
    except MemoryError:
        raise DataError(
            f"{title} does not fit in memory: convert it to .npy, or to .npz without compression, "
            "which need not"
        ) from None
    return _weighted(source, reading)


def _opened(reader: Any, title: str, paths: list[Path], reading: Reading, streamed: bool) -> Source:
    """Return the source of all files, opened by the module of their format."""
    source: Source
    if hasattr(reader, "open_files"):
        open_files = reader.stream_files if streamed else reader.open_files
        source = open_files(title, paths, reading)
        return source
    if len(paths) > 1:
        allow_open(title, len(paths))
    open_file = getattr(reader, "stream_file", reader.open_file) if streamed else reader.open_file
    shards = [open_file(path, reading) for path in paths]
    source = shards[0] if len(shards) == 1 else ShardedSource(title, shards)
    return source


def _common_reader(paths: list[Path], reading: Reading) -> str:
    """Return the name of the module of the format that all files have; refuse any other file."""
    names = []
    for path in paths:
        _refuse_unreadable(path)
        names.append(_reader(path, reading))
        if names[-1] != names[0]:
            raise DataError(
                f"{path} is of another format than {paths[0]}: name the files of one format, by a "
                "pattern such as 'folder/*.csv'"
            )
        refuse_other(path, names[0])
    return names[0]


def _weighted(source: Source, reading: Reading) -> Source:
    """Return the source with the sample weights of ``--weights``, if these are given."""
    if reading.weights is not None:
        if source.weights is not None:
            raise DataError(
                f"{source.name} has sample weights w of its own: leave --weights out, or write the "
                "data without w"
            )
        source.weights = read_weights(Path(reading.weights), source.rows)
    return source


def save(source: Source, path: Path) -> None:
    """Write all rows to a file, in the format of its suffix.

    Either the whole file is written or none of it. Text is compressed if the name ends with .gz,
    .bz2 or .xz.

    Raises
    ------
    DataError
        If the suffix is unknown, or files of that format hold no sample weights.
    UsageError
        If such a file cannot exist, or an optional package is missing.
    StorageError
        If the disk is full or fails.
    """
    name = _reader(path)
    if source.weights is not None and name not in WEIGHTED:
        raise DataError(
            f"{path}: {name} files hold no sample weights: name it .npz or .h5, or leave the "
            "weights in a file for --weights"
        )
    if source.words is not None and name not in WORDED:
        raise DataError(
            f"{path}: {name} files hold no text, and the labels of {source.name} are text: name it "
            ".npz, .parquet or .csv"
        )
    writer = _module(name)
    otherwise = "name another file"
    try:
        with replacing(path, otherwise) as plain, compressed(plain, path) as file:
            writer.write(file, source)
    except ValueError as error:  # a NUL in the path
        raise DataError(f"{path} cannot be written ({one_line(error)}): {otherwise}") from None


def _module(name: str) -> Any:
    return import_module(f"{__name__}.{name}")


def _reader(path: Path, reading: Reading | None = None) -> str:
    """Return the name of the format's module; `reading` is None for a file to be written."""
    packed = compression_suffix(path)
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if reading is not None and reading.format is not None:
        name = READERS[f".{reading.format}"]
    elif suffix in READERS:
        name = READERS[suffix]
    else:
        raise DataError(f"{path} has unknown suffix {suffix!r}{_foreign(path, suffix, reading)}")
    if packed and name not in TEXT:
        raise DataError(
            f"{path}: only text (.csv, .svm) is read and written compressed: "
            + (f"name it {path.stem}" if reading is None else
               f"unpack it with {COMPRESSIONS[packed].unpack}")
        )  # fmt: skip
    return name


def _foreign(path: Path, suffix: str, reading: Reading | None) -> str:
    """Return the remedy for a file whose suffix names no known format."""
    if reading is None:
        return f"{nearest(suffix, READERS)}: name it by its format, one of {', '.join(READERS)}"
    if suffix in FOREIGN:
        return (
            f": read it with {FOREIGN[suffix]} and write it with to_csv('data.csv', index=False), "
            "or give --format if it is a file of another format"
        )
    if suffix == ".mat":
        return ": read it with scipy.io.loadmat and write it with numpy.savez(path, X=X, y=y)"
    if suffix in (".zip", ".zst", ".7z", ".rar", ".tar", ".z", ".lz4"):
        return f": unpack it first, or compress it as one of {', '.join(COMPRESSIONS)}"
    return (
        f"{nearest(suffix, READERS)}: name it by its format, one of {', '.join(READERS)}, or add "
        "--format csv, --format svm, ..."
    )


def _refuse_idle(text: str, reading: Reading, taken: tuple[str, ...], what: str) -> None:
    """Refuse options that do nothing for these data."""
    for option in reading.given:
        if option not in (*taken, "weights"):
            raise DataError(
                f"{text}: --{option} does nothing for {what}, as {ONLY[option]}: leave it out"
            )


def _refuse_unreadable(path: Path) -> None:
    """Refuse a path that is not a readable, regular, non-empty file."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError(f"{path} is a directory: name files, as in '{path.parent}/*.csv'")
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path} is not a regular file: save the data to one")
        path.open("rb").close()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file{_nearest_file(path)}: give the path of a data file, "
            "or synthetic:rows=1000,features=100"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(
            f"{path} cannot be read ({one_line(error)}): check the path and its permissions"
        ) from None
    if not status.st_size:
        raise DataError(f"{path} is empty: write the data to it again")


def _nearest_file(path: Path) -> str:
    try:
        return nearest(path.name, [file.name for file in path.parent.iterdir()])
    except OSError:
        return ""
