"""Data sources: synthetic, or a file whose suffix selects the reader.

A reader is a module with ``open_file(path) -> Source``; it is imported when a file needs it.
"""

from __future__ import annotations

import stat
from importlib import import_module
from pathlib import Path

from coded_dgd.errors import DataError
from coded_dgd.problems.sources.base import Source, one_line
from coded_dgd.spec import nearest

__all__ = ["Source", "open_source"]

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


def open_source(text: str, seed: int) -> Source:
    """Return the source that ``--data`` names.

    Parameters
    ----------
    text : str
        ``synthetic:rows=1000,features=100``, or the path of a file.
    seed : int
        Of synthetic data; files do not depend on it.

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
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DataError(
            f"{path} has unknown suffix {suffix!r}{nearest(suffix, READERS)}: "
            f"name it by its format, one of {', '.join(READERS)}"
        )
    reader = import_module(f"{__name__}.{READERS[suffix]}")
    try:
        source: Source = reader.open_file(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None
    except MemoryError:
        raise DataError(
            f"{path} does not fit in memory: convert it to .npy, or to .npz without compression, "
            "which need not"
        ) from None
    return source


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
