"""The first bytes of a file reveal content of another format than expected."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from coded_dgd.errors import DataError
from coded_dgd.problems.sources._compression import compression_of

TEXT = ("csv", "svm")
"""Text formats."""


class Kind(NamedTuple):
    """A kind of file is recognised by its first bytes."""

    begin: bytes
    what: str
    remedy: str
    reader: str = ""
    """Module that reads such a file; empty if this package does not read it."""


_PANDAS = "read it with pandas and write it with to_csv('data.csv', index=False)"
_UTF8 = "save it as UTF-8 text"
KINDS = (
    Kind(b"\x93NUMPY", "a NumPy array", "give --format npy, or name it .npy", "npy"),
    Kind(b"\x89HDF\r\n\x1a\n", "an HDF5 file", "give --format h5, or name it .h5", "hdf5"),
    Kind(
        b"PK\3\4",
        "a zip archive (.zip, .npz or .xlsx)",
        "unpack it, give --format npz if numpy.savez has written it, or write an Excel workbook as "
        "csv",
        "npz",
    ),
    Kind(b"PAR1\x15", "a Parquet file", "give --format parquet, or name it .parquet", "parquet"),
    Kind(b"MATLAB 5.0", "a MATLAB file", "read it with scipy.io.loadmat and numpy.save [X | y]"),
    Kind(b"\xd0\xcf\x11\xe0", "an Excel workbook", _PANDAS),
    Kind(b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it with unzstd"),
    Kind(b"\xff\xfe", "text in UTF-16, not text in UTF-8", _UTF8),
    Kind(b"\xfe\xff", "text in UTF-16, not text in UTF-8", _UTF8),
    Kind(b"version https://git-lfs", "a pointer of Git LFS", "get the data with git lfs pull"),
    Kind(b"<!doctype", "a web page", "download the data themselves"),
    Kind(b"<html", "a web page", "download the data themselves"),
)


def refuse_other(path: Path, reader: str) -> None:
    """Refuse a file whose first bytes belong to another kind.

    Parameters
    ----------
    reader : str
        Module that is to read the file.

    Raises
    ------
    DataError
        If the first bytes belong to another kind; the message names the kind and the remedy.
    """
    with path.open("rb") as file:
        begin = file.read(32)
    packed = compression_of(begin)
    if packed is not None and reader not in TEXT:
        raise DataError(
            f"{path} is compressed, and only text is read compressed: unpack it with "
            f"{packed.unpack}"
        )
    for kind in KINDS:
        if begin.lower().startswith(kind.begin.lower()) and kind.reader != reader:
            raise DataError(f"{path} is {kind.what}: {kind.remedy}")
