"""An HDF5 file has datasets X and y, which are read by slices, and maybe sample weights w."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from coded_dgd.errors import DataError, UsageError, one_line
from coded_dgd.problems.sources._hdf5_parts import refuse_absent, refuse_broken_link
from coded_dgd.problems.sources._table import matrix_source
from coded_dgd.problems.sources._weights import sample_weights
from coded_dgd.problems.sources.base import ArraySource, Source, absent_labels, refuse_unreal
from coded_dgd.reading import Reading

OPTIONS = ("columns",)
"""Options of `Reading` that apply to a file of this format, apart from ``format``."""

DAMAGED = (OSError, RuntimeError, KeyError, TypeError, ValueError)  # h5py raises these on content


def open_file(path: Path, reading: Reading) -> ArraySource:
    """Return the source of a file with datasets X (m x l), y (m) and maybe w (m).

    Raises
    ------
    DataError
        If the file has other content, or refers to something that is missing.
    UsageError
        If h5py is not installed.
    """
    h5py = _h5py(str(path))
    if not h5py.is_hdf5(path):
        raise DataError(f"{path} is not an HDF5 file: write it with h5py, datasets X and y")
    try:
        file = h5py.File(path, "r")  # its datasets keep it open
    except OSError as error:
        raise DataError(f"{path} {_why_closed(error)}") from None
    try:
        X = _dataset(h5py, file, path, "X")
        labelled = reading.takes_labels(file.get("y", getlink=True) is not None)
        y = _dataset(h5py, file, path, "y") if labelled else absent_labels(X)
        weighted = file.get("w", getlink=True) is not None  # also where the link is broken
        w = _dataset(h5py, file, path, "w")[...] if weighted else None
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}): write it again") from None
    source = matrix_source(str(path), X, y, reading, "read by slices")
    source.labelled = labelled
    if w is not None:
        source.weights = sample_weights(f"{path}, dataset w", w, source.rows)
    return source


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows in the format of `open_file`.

    Raises
    ------
    UsageError
        If h5py is not installed.
    """
    with _h5py(".h5").File(file, "w") as written:
        X = written.create_dataset("X", (source.rows, source.features), source.dtype)
        y = written.create_dataset("y", (source.rows,), source.dtype)
        start = 0
        for rows, labels in source.windows():
            stop = start + len(labels)
            X[start:stop], y[start:stop] = rows, labels
            start = stop
        if source.weights is not None:
            written["w"] = source.weights


def _h5py(name: str) -> Any:
    try:
        import h5py
    except ImportError:
        raise UsageError(f"{name} needs h5py: pip install h5py") from None
    return h5py


def _why_closed(error: OSError) -> str:
    """Return the reason why a file cannot be opened, and the remedy."""
    text = str(error)
    if "already open for write" in text:
        return (
            "is open for writing by another process, or by one that ended without closing it: wait "
            "for that process, or clear the mark with h5clear -s"
        )
    if "unable to lock" in text or "file locking" in text:
        return (
            "is locked, as another process has it open for writing, or its file system has no "
            "locks: wait for that process, or set HDF5_USE_FILE_LOCKING=FALSE if there is none"
        )
    return f"cannot be read ({one_line(error)}): write it again"


def _dataset(h5py: Any, file: Any, path: Path, name: str) -> Any:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        refuse_broken_link(h5py, file, path, name)
        raise DataError(
            f"{path} has no dataset {name} (it has: {', '.join(map(str, [*file][:9])) or 'none'}): "
            "write datasets X, of shape (rows, features), and y, of shape (rows,)"
        )
    title = f"{path}, dataset {name}"
    refuse_unreal(title, found.dtype)
    refuse_absent(h5py, found, title)
    return found
