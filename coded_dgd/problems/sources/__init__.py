"""Data sources: synthetic, or a file whose suffix selects the reader.

A format is a module with ``open_file(path) -> Source`` and ``write(file, source)``; it is imported
when a file needs it. A format of text has ``stream_file(path)`` too, for files of any size.
"""

from __future__ import annotations

import stat
from importlib import import_module
from pathlib import Path
from typing import Any

from coded_dgd.errors import DataError, one_line
from coded_dgd.files import replacing
from coded_dgd.problems.sources.base import Source
from coded_dgd.spec import nearest

__all__ = ["Source", "open_source", "save"]

READERS = {
    ".npy": "npy",
    ".npz": "npz",
    ".svm": "svm",
    ".libsvm": "svm",
    ".svmlight": "svm",
    ".csv": "csv",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
}


def open_source(text: str, seed: int, streamed: bool = False) -> Source:
    """Return the source that ``--data`` names.

    Parameters
    ----------
    text : str
        ``synthetic:rows=1000,features=100``, or the path of a file.
    seed : int
        Of synthetic data; files do not depend on it.
    streamed : bool
        Whether to parse text each time that it is read, in order, rather than hold it in memory.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or is not what its suffix says.
    UsageError
        If the text cannot be understood, or an optional package is missing.
    """
    if text.partition(":")[0] == "synthetic":
        from coded_dgd.problems.sources import synthetic

        return synthetic.open_text(text, seed)
    path = Path(text)
    _refuse_unreadable(path)
    reader = _module(path)
    open_file = getattr(reader, "stream_file", reader.open_file) if streamed else reader.open_file
    try:
        source: Source = open_file(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None
    except MemoryError:
        raise DataError(
            f"{path} does not fit in memory: convert it to .npy, or to .npz without compression, "
            "which need not"
        ) from None
    return source


def save(source: Source, path: Path) -> None:
    """Write all rows to a file, in the format of its suffix; all of them or none.

    Raises
    ------
    DataError
        If the suffix is unknown, or the file cannot be written.
    UsageError
        If an optional package is missing.
    """
    writer = _module(path)
    try:
        with replacing(path) as file:
            writer.write(file, source)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise DataError(
            f"{path} cannot be written ({one_line(error)}): name another file"
        ) from None


def _module(path: Path) -> Any:
    """The module of the format that the suffix says."""
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DataError(
            f"{path} has unknown suffix {suffix!r}{nearest(suffix, READERS)}: "
            f"name it by its format, one of {', '.join(READERS)}"
        )
    return import_module(f"{__name__}.{READERS[suffix]}")


def _refuse_unreadable(path: Path) -> None:
    """Refuse what is not a readable regular file with something in it."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError(f"{path} is a directory: name a file in it")
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
