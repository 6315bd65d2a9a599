"""A .npy file of NumPy has one array A = [X | y], which is memory-mapped."""

from __future__ import annotations

import tokenize
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._label import find_columns
from coded_dgd.problems.sources._table import table_source
from coded_dgd.problems.sources.base import ArraySource, Source, refuse_truncated, refuse_unreal
from coded_dgd.reading import Reading

OPTIONS = ("label", "columns")
"""Options of `Reading` that apply to a file of this format, apart from ``format``."""

Header = tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]


def open_file(path: Path, reading: Reading) -> ArraySource:
    """Return the source of a file that ``np.save(path, A)`` wrote, A of shape (m, l + 1).

    Data for a model may leave labels out, so that A has shape (m, l).

    Raises
    ------
    DataError
        If the file has other content, or a column of ``--label`` or ``--columns`` does not
        exist.
    """
    with path.open("rb") as file:
        A = read_array(file, str(path), path.stat().st_size, mapped=True)
    if A.ndim != 2:
        raise DataError(
            f"{path}: the array has shape {A.shape}: save it as (rows, features + 1), "
            "the last column the labels"
        )
    columns = find_columns(A.shape[1], None, reading, str(path))
    return table_source(str(path), A, columns, "memory-mapped")


def write(file: IO[bytes], source: Source) -> None:
    """Write all rows in the format of `open_file`."""
    write_header(file, (source.rows, source.features + 1), source.dtype)
    for X, y in source.windows():
        file.write(np.column_stack([X, y]).astype(source.dtype).tobytes())


def write_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write the header of an array, whose values follow row by row."""
    descr = npy_format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(file, header)


def read_array(
    file: IO[bytes], name: str, size: int, mapped: bool, text: bool = False
) -> NDArray[Any]:
    """Return the array in .npy format that begins at the current position of `file`.

    Parameters
    ----------
    file : file
        A real file if `mapped`, else any stream with a position.
    name : str
        Name of the array in errors.
    size : int
        Number of bytes of the array, including its header.
    mapped : bool
        Whether to map the array read-only rather than load it.
    text : bool
        Whether the array may hold text.

    Raises
    ------
    DataError
        If it is not an array in this format, holds other values than real numbers, or is cut
        short.
    """
    start = file.tell()
    shape, order, dtype = _read_header(file, name)
    if not (text and dtype.kind == "U"):
        refuse_unreal(name, dtype, text)
    offset = file.tell()
    needed = refuse_truncated(name, shape, dtype.itemsize, size - (offset - start))
    if not needed:
        return np.empty(shape, dtype)  # an empty array cannot be mapped
    if mapped:
        return np.memmap(file, dtype, "r", offset, shape, order)
    data = file.read(needed)
    refuse_truncated(name, shape, dtype.itemsize, len(data))
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _read_header(file: IO[bytes], name: str) -> Header:
    try:
        # Version 3 is only needed for names of record fields.
        first = npy_format.read_magic(file) == (1, 0)
        read = npy_format.read_array_header_1_0 if first else npy_format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    # The header is a Python literal; reading an arbitrary text as one may raise these errors.
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError):
        raise DataError(f"{name} is not in NumPy's format: write it with numpy.save") from None
    return shape, "F" if fortran else "C", dtype
