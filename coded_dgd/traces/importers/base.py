"""An importer reads the file of a trace, as it was published, into an array of times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

from coded_dgd.delays.base import Floats


class Imported(NamedTuple):
    """An imported trace is an array of times, with what has to be known to use it."""

    times: Floats
    """Durations of tasks, shape (iterations, M), or finish times, shape (iterations, M, work)."""
    relative: bool = False
    """Whether the times have no unit; in seconds otherwise."""
    cancelled: bool = False
    """Whether a time of inf may be a task that was cancelled, rather than one that never ends."""
    notes: tuple[str, ...] = ()
    """What the file has beyond the array, or what was left out, in sentences."""


class Importer(ABC):
    """This is the base class of importers; ``pai.py`` of this package is found as ``pai``."""

    wanted: ClassVar[str]
    """What the importer reads, as errors say it after "give"."""

    @abstractmethod
    def read(self, path: Path) -> Imported:
        """Read a file.

        Parameters
        ----------
        path : Path
            File, or run folder.

        Raises
        ------
        DataError
            If the content is not of this kind. `importers.read` turns an exception of any other
            type into the error that the file cannot be read.
        """
