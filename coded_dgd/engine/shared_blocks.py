"""Blocks that the workers of a host share, in memory that vanishes with its last user."""

from __future__ import annotations

import mmap
import os
from io import FileIO

import numpy as np

from coded_dgd.engine.protocol import Assignment, Reals

CONTROL = 8


class SharedBlocks:
    """The shared blocks of a host: one worker writes them, and the others map them.

    Parameters
    ----------
    assignment : Assignment
        Its `shared_slice` names the position of the worker's blocks.
    file : file
        File of the shared memory.
    """

    def __init__(self, assignment: Assignment, file: FileIO) -> None:
        shared_slice, columns, dtype = (
            assignment.shared_slice,
            assignment.columns,
            assignment.layout.dtype,
        )
        assert shared_slice is not None
        shape = shared_slice.blocks, assignment.height, columns
        rows = shared_slice.blocks * assignment.height
        count = rows * (columns + assignment.labels + assignment.weights)
        words = -(-count * np.dtype(dtype).itemsize // CONTROL)
        size = CONTROL * (words + 1)
        made = shared_slice.path is None
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
        token = np.frombuffer(memory, np.int64, 1, CONTROL * words)
        if made:
            token[0] = shared_slice.token
        elif token[0] != shared_slice.token:
            raise OSError("other memory")
        numbers: Reals = np.frombuffer(memory, dtype, count)
        self.X = numbers[: rows * columns].reshape(shape)
        labels = assignment.labels_shape
        self.y: Reals | None = None
        if labels:
            self.y = numbers[rows * columns :].reshape(shape[0], *labels)

    @classmethod
    def open(cls, assignment: Assignment) -> SharedBlocks:
        """Create the shared memory, or map it.

        Raises
        ------
        OSError
            The memory cannot be created or reached: it is in another container, or its creator has
            ended.
        """
        path = assignment.shared_slice and assignment.shared_slice.path
        if path:
            file = os.fdopen(os.open(path, os.O_RDONLY), "rb", buffering=0)
        elif hasattr(os, "memfd_create"):
            file = os.fdopen(os.memfd_create("coded-dgd-blocks"), "r+b", buffering=0)
        else:
            raise OSError("this system has no such memory")
        return cls(assignment, file)

    def load(self, start: int, X: Reals, y: Reals | None) -> None:
        """Take rows `start`, ... of every block; the arguments are those of `Blocks.load`."""
        rows = slice(start, start + X.shape[1])
        self.X[:, rows] = X
        if self.y is not None and y is not None:
            self.y[..., rows] = y

    def slice_of(self, first: int, tasks: int) -> tuple[Reals, Reals | None]:
        """Return the blocks of one worker: X and the labels."""
        own = slice(first, first + tasks)
        return self.X[own], None if self.y is None else self.y[own]
