"""Objects travel to another process of this machine, large arrays as files that it maps.

An array may be anywhere in an object, such as in a data frame or a sparse matrix.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import CodedDGDError, StorageError, UsageError, one_line
from coded_dgd.pool.mapped import Mapped

FILE_BYTES = 2**16
"""Smallest number of bytes of an array for which a file pays."""


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Turn system errors while a temporary folder is written into one line with the remedy.

    Raises
    ------
    StorageError
        The folder cannot be written, such as for lack of space.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{folder} cannot take the data for the workers ({one_line(error)}): free space on its "
            "disk, or set TMPDIR to a folder on a larger one"
        ) from error


def pack(what: Any, folder: Path) -> bytes:
    """Return an object as bytes, with its large arrays as files of `folder`.

    Raises
    ------
    StorageError
        See `room_in`.
    UsageError
        A part of the object cannot be pickled.
    """
    text = io.BytesIO()
    try:
        _Packer(text, folder).dump(what)
    except (CodedDGDError, MemoryError):
        raise
    except Exception as error:  # an object may raise anything
        raise UsageError(
            f"train: an argument cannot be sent to the workers ({type(error).__name__}: "
            f"{one_line(error)}): give arrays, and objects of classes in a module"
        ) from error
    return text.getvalue()


def unpack(text: bytes, folder: Path) -> Any:
    """Return the object, whose large arrays are read from the files as they are needed.

    Raises
    ------
    UsageError
        A class cannot be imported here.
    """
    try:
        return _Unpacker(io.BytesIO(text), folder).load()
    except (CodedDGDError, MemoryError):
        raise
    except Exception as error:  # a module may raise anything
        raise UsageError(
            f"train: the workers cannot import an argument ({type(error).__name__}: "
            f"{one_line(error)}): put its class into a module of its own, in a file"
        ) from error


class _Packer(pickle.Pickler):
    def __init__(self, text: io.BytesIO, folder: Path) -> None:
        super().__init__(text, pickle.HIGHEST_PROTOCOL)
        self._folder, self._number = folder, 0

    def persistent_id(self, what: Any) -> str | Mapped | None:
        """Return the place of a large array in a file, which is written if there is none."""
        if type(what) not in (np.ndarray, np.memmap) or what.nbytes < FILE_BYTES:
            return None
        if what.dtype.hasobject:
            return None
        if mapped := Mapped.of(what):
            return mapped
        self._number += 1
        path = self._folder / f"{self._number}.npy"
        with room_in(self._folder), path.open("xb") as file:
            np.lib.format.write_array(file, what, allow_pickle=False)
        return path.name


class _Unpacker(pickle.Unpickler):
    def __init__(self, text: io.BytesIO, folder: Path) -> None:
        super().__init__(text)
        self._folder = folder

    def persistent_load(self, place: str | Mapped) -> NDArray[Any]:
        """Return the array of a file, of which only the pages in use take memory."""
        if isinstance(place, Mapped):
            return place.open()
        found: NDArray[Any] = np.load(self._folder / place, mmap_mode="r", allow_pickle=False)
        return found
