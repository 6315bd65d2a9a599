"""Blocks that the workers of a host share, in memory that vanishes with its last user."""

from __future__ import annotations

import mmap
import os
from io import FileIO
from math import prod
from typing import Any

import numpy as np

from coded_dgd.engine.protocol import SharedPlaces
from coded_dgd.problems.blocks import Forms

ALIGNMENT = 64
"""Each array begins at a multiple of this number of bytes."""


class SharedBlocks:
    """The arrays of the shared blocks of a host: one worker fills them, and the others map them.

    Parameters
    ----------
    shared : SharedPlaces
    forms : list
        Shape and type of each array.
    file : file
        File of the shared memory.

    Raises
    ------
    OSError
        The file is not the memory that `shared` identifies.
    """

    def __init__(self, shared: SharedPlaces, forms: Forms, file: FileIO) -> None:
        places, end = [], 0
        for shape, dtype in forms:
            places.append(end)
            end += -(-prod(shape) * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT
        size = end + np.dtype(np.int64).itemsize
        made = shared.path is None
        self._file = file
        """Open file of the shared memory; its path is valid as long as it is open."""
        self.path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        if made:
            os.ftruncate(file.fileno(), size)
        elif os.fstat(file.fileno()).st_size != size:
            raise OSError("other memory")
        if made:
            memory = mmap.mmap(file.fileno(), size)
        else:  # load all pages now, to spare the first iteration the page faults
            flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
            memory = mmap.mmap(file.fileno(), size, flags, mmap.PROT_READ)
        token = np.frombuffer(memory, np.int64, 1, end)
        if made:
            token[0] = shared.token
        elif token[0] != shared.token:
            raise OSError("other memory")
        self.arrays: list[Any] = [
            np.frombuffer(memory, dtype, prod(shape), place).reshape(shape)
            for (shape, dtype), place in zip(forms, places, strict=True)
        ]

    @classmethod
    def open(cls, shared: SharedPlaces, forms: Forms) -> SharedBlocks:
        """Create the shared memory, or map it.

        Raises
        ------
        OSError
            The memory cannot be created or reached: it is in another container, or its creator has
            ended.
        """
        if shared.path:
            file = os.fdopen(os.open(shared.path, os.O_RDONLY), "rb", buffering=0)
        elif hasattr(os, "memfd_create"):
            file = os.fdopen(os.memfd_create("coded-dgd-blocks"), "r+b", buffering=0)
        else:
            raise OSError("this system has no such memory")
        return cls(shared, forms, file)
