"""Arrays that are a part of a file another process can map as well."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Mapped(NamedTuple):
    """The place of an array in a file."""

    path: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    @classmethod
    def of(cls, array: NDArray[Any]) -> Mapped | None:
        """Return the place of an array; None if its memory is that of no file, or has gaps.

        A private mapping may differ from its file, and a file that has been replaced holds other
        values than its mapping.
        """
        whole: Any = array
        while isinstance(whole, np.ndarray) and not isinstance(whole.base, mmap.mmap):
            whole = whole.base
        if not isinstance(whole, np.memmap) or whole.filename is None or whole.mode == "c":
            return None
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            return None
        if not _is_mapping_of(whole.ctypes.data, Path(whole.filename)):
            return None
        offset = whole.offset + array.ctypes.data - whole.ctypes.data
        order: Literal["C", "F"] = "C" if array.flags.c_contiguous else "F"
        return cls(str(whole.filename), array.dtype, offset, array.shape, order)

    def open(self) -> NDArray[Any]:
        """Return the array, read-only, of which only the pages in use take memory."""
        found: NDArray[Any] = np.memmap(
            self.path, self.dtype, "r", self.offset, self.shape, self.order
        )
        return found


def _is_mapping_of(address: int, path: Path) -> bool:
    """Return whether the memory at an address is a mapping of what is the file of that name now.

    The result is False where the system does not say.
    """
    with suppress(OSError, ValueError):
        found = path.stat()
        for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
            addresses, _, _, device, number, *_ = line.split()
            first, last = (int(each, 16) for each in addresses.split("-"))
            if first <= address < last:
                major, minor = (int(each, 16) for each in device.split(":"))
                return (os.makedev(major, minor), int(number)) == (found.st_dev, found.st_ino)
    return False
