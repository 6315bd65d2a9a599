"""Write files completely or not at all, and report failures in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import has_magic
from pathlib import Path
from typing import IO

from coded_dgd.errors import StorageError, UsageError, one_line

FAILURES = {
    errno.ENOSPC: "free space on its disk",
    errno.EDQUOT: "free space within the quota, or ask for a larger one",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EIO: "check its disk or file server",
    errno.ESTALE: "check its file server",
}
"""Failures of a disk, whatever the name of the file, and their remedies."""
OTHERS = {
    errno.EROFS: "make its file system writable again",
    errno.ENOENT: "its folder was removed or moved: move it back",
}
"""Further failures of a file that could be written before."""


@contextmanager
def writing(path: Path, otherwise: str = "") -> Iterator[None]:
    """Turn system errors while `path` is written into one line with the remedy.

    Parameters
    ----------
    path : Path
        The file, or the folder in which files are written.
    otherwise : str
        Remedy if the choice of `path` is at fault, not the disk.

    Raises
    ------
    StorageError
        The disk is full or fails; without `otherwise`, raised for any other reason as well.
    UsageError
        Nothing can be written to that path.
    """
    try:
        yield
    except OSError as error:
        number = error.errno or errno.ENOSPC  # numpy and HDF5 give none if a write is cut short
        failed = f"{path} cannot be written ({one_line(error)})"
        if otherwise and number not in FAILURES:
            raise UsageError(f"{failed}: {otherwise}") from error
        remedy = (FAILURES | OTHERS).get(number, "check its folder and the permissions")
        raise StorageError(f"{failed}: {remedy}") from error


def refuse_existing(path: Path) -> None:
    """Raise a UsageError if a file exists that a command would replace."""
    try:
        exists = path.exists()
    except (OSError, ValueError):  # not a path: writing reports it
        exists = False
    if exists:
        raise UsageError(f"{path} exists and is not overwritten: name a new file, or add --force")


@contextmanager
def replacing(path: Path, otherwise: str = "") -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` once all of it is on the disk.

    Until then, and if writing ends with an error, the previous file stays.

    Raises
    ------
    StorageError, UsageError
        See `writing`.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with writing(path, otherwise):
        try:
            with temporary.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # the new name too
        finally:
            os.close(directory)


def matching(pattern: Path) -> list[Path]:
    """Return the files and folders of a pattern with ``*``, ``?`` or ``[...]``, sorted by name.

    The list is empty for a path without such characters.

    Raises
    ------
    OSError, ValueError
        If a folder cannot be read, or the pattern cannot be a path.
    """
    if not has_magic(str(pattern)):
        return []
    root = Path(pattern.anchor)
    return sorted(root.glob(str(pattern.relative_to(root))))
