"""What every rank has to know of a training."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Task(NamedTuple):
    """A training as rank 0 announces it to the others, by the fields of a `pool.messages.Order`."""

    folder: str | None
    path: list[str]
    objective: bytes
    arrays: str

    def enter(self) -> Any:
        """Go to the folder where `train` was called, and return the argument `objective`.

        Raises
        ------
        UsageError
            The class of the objective cannot be imported here.
        """
        from coded_dgd.pool.parcels import unpack

        if self.folder is not None:
            os.chdir(self.folder)
        sys.path[:] = self.path
        importlib.invalidate_caches()  # a module may be new
        return unpack(self.objective, Path(self.arrays))
