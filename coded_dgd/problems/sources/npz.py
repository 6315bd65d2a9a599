"""A .npz file of NumPy has arrays X, y and maybe sample weights w.

X and y are memory-mapped in the file unless it is compressed.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._table import matrix_source
from coded_dgd.problems.sources._weights import sample_weights
from coded_dgd.problems.sources._words import numbered
from coded_dgd.problems.sources.base import ArraySource, Source, absent_labels
from coded_dgd.problems.sources.npy import read_array, write_header
from coded_dgd.reading import Reading

OPTIONS = ("columns",)
"""Options of `Reading` that apply to a file of this format, apart from ``format``."""

LOCAL_HEADER = struct.Struct("<26xHH")  # ends with the lengths of the name and the extra field

# zipfile raises these on content: damage, a bad stream, an unknown method or a password.
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)


def open_file(path: Path, reading: Reading) -> ArraySource:
    """Return the source of a file that ``np.savez(path, X=X, y=y)`` wrote, maybe with weights w.

    Raises
    ------
    DataError
        If the file has other content.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            X = _read_member(archive, path, "X")
            labelled = reading.takes_labels("y.npy" in archive.namelist())
            y = _read_member(archive, path, "y") if labelled else absent_labels(X)
            weighted = "w.npy" in archive.namelist()
            w = _read_member(archive, path, "w") if weighted else None
    except UNREADABLE:
        raise DataError(
            f"{path} is damaged or not a .npz: write it with numpy.savez(path, X=X, y=y)"
        ) from None
    mapped = isinstance(X, np.memmap)
    words = None
    if y.dtype.kind == "U":
        y, words = numbered(str(path), X, y)
    source = matrix_source(str(path), X, y, reading, "memory-mapped" if mapped else "in memory")
    source.words, source.labelled = words, labelled
    if w is not None:
        source.weights = sample_weights(f"{path}, array w", w, source.rows)
    return source


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows in the format of `open_file`, uncompressed, so that they can be mapped."""
    y = np.empty(source.rows, source.dtype if source.words is None else np.intp)
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("X.npy", "w", force_zip64=True) as member:
            write_header(member, (source.rows, source.features), source.dtype)
            start = 0
            for rows, of_rows in source.windows():
                member.write(rows.astype(source.dtype).tobytes())
                y[start : start + len(of_rows)] = of_rows
                start += len(of_rows)
        labels: NDArray[Any] = y if source.words is None else np.array(source.words)[y]
        for name, array in (("y", labels), ("w", source.weights)):
            if array is not None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    write_header(member, array.shape, array.dtype)
                    member.write(array.tobytes())


def _read_member(archive: zipfile.ZipFile, path: Path, name: str) -> NDArray[Any]:
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        names = [file.removesuffix(".npy") for file in archive.namelist()]
        if {"indptr", "indices", "data"} <= {*names}:
            raise DataError(
                f"{path} is a sparse matrix of scipy, without labels: write both as .svm, as "
                "dump_svmlight_file(X, y, path, zero_based=False) of scikit-learn does"
            ) from None
        found = ", ".join(names[:9]) or "none"
        raise DataError(
            f"{path} has no array {name} (it has: {found}): "
            "write it with numpy.savez(path, X=X, y=y)"
        ) from None
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("compressed in a way that numpy does not write")
    title, size = f"{path}, array {name}", member.file_size
    with archive.open(member) as stream:  # checks the member's header, even if it is mapped then
        if member.compress_type == zipfile.ZIP_DEFLATED:
            return read_array(stream, title, size, mapped=False, text=name == "y")
    with path.open("rb") as file:
        file.seek(member.header_offset)
        lengths = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        file.seek(sum(lengths), 1)
        return read_array(file, title, size, mapped=True, text=name == "y")
