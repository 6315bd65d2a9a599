"""Compressed text is read and written as a stream by Python's standard library."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO

from coded_dgd.errors import DataError, UsageError, one_line


class Compression(NamedTuple):
    """A compression is one method to compress a file."""

    module: str
    """Module of Python's standard library."""
    magic: bytes
    """First bytes of such a file."""
    unpack: str
    """Command that unpacks such a file."""


COMPRESSIONS = {
    ".gz": Compression("gzip", b"\x1f\x8b", "gunzip"),
    ".bz2": Compression("bz2", b"BZh", "bunzip2"),
    ".xz": Compression("lzma", b"\xfd7zXZ\0", "unxz"),
}
BLOCK_OF_BZ2 = b"1AY&SY", b"\x17rE8P\x90"
"""Possible bytes 4 to 9 of a bz2 file; the first bytes BZh alone may also begin a text."""
CHUNK = 2**20
"""Number of bytes that are unpacked at once to check a file."""


def compression_suffix(path: Path) -> str:
    """Return the compression suffix of a path in lower case; empty if it has none."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSIONS else ""


def compression_of(begin: bytes) -> Compression | None:
    """Return the compression of a file that begins with these bytes; None if not compressed."""
    for each in COMPRESSIONS.values():
        if begin.startswith(each.magic) and (each.module != "bz2" or begin[4:10] in BLOCK_OF_BZ2):
            return each
    return None


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """Open a file of UTF-8 text, which may be compressed.

    Raises
    ------
    DataError
        If the file is damaged or cut short, or is not compressed although its suffix says so.
    UsageError
        If this Python was built without the compression module.
    """
    compression = _compression_of_file(path)
    suffix = compression_suffix(path)
    if compression is None:
        if suffix:
            raise DataError(
                f"{path} is damaged or not compressed, although its suffix says {suffix}: copy it "
                f"again, or name it {path.stem} if it is plain text"
            )
        with path.open(encoding="utf-8-sig") as plain:
            yield plain
        return
    library = _library(compression, path)
    damaged = (OSError, EOFError, zlib.error, getattr(library, "LZMAError", EOFError))
    try:
        with library.open(path, "rt", encoding="utf-8-sig") as text:
            yield text
    except damaged as error:
        raise DataError(
            f"{path} is damaged or cut short ({one_line(error)}): copy or compress it again"
        ) from None


def refuse_damaged(path: Path) -> None:
    """Refuse a compressed file that cannot be unpacked to its end.

    Text that is unpacked before the damage is detected may differ from the original.

    Raises
    ------
    DataError
        If the file is damaged or cut short.
    """
    if _compression_of_file(path) is None:
        return
    with opened_text(path) as text:
        while text.buffer.read(CHUNK):
            pass


@contextmanager
def compressed(file: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    """Yield a file whose content is compressed according to the suffix of the path.

    Raises
    ------
    UsageError
        If this Python was built without the compression module.
    """
    suffix = compression_suffix(path)
    if not suffix:
        yield file
        return
    library = _library(COMPRESSIONS[suffix], path)
    with library.open(file, "wb") as packed:
        yield packed


def _compression_of_file(path: Path) -> Compression | None:
    with path.open("rb") as file:
        return compression_of(file.read(10))


def _library(compression: Compression, path: Path) -> Any:
    try:
        return import_module(compression.module)
    except ImportError:
        raise UsageError(
            f"{path}: this Python was built without {compression.module}: unpack the file with "
            f"{compression.unpack}"
        ) from None
