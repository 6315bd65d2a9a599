"""This package holds the importers of traces, one file each; they are found by name."""

from __future__ import annotations

import sys
from pathlib import Path

from coded_dgd import registry
from coded_dgd.delays.trace import checked
from coded_dgd.errors import CodedDGDError, DataError, one_line
from coded_dgd.traces.importers.base import Imported, Importer


def names() -> list[str]:
    """Return the names of all kinds of traces."""
    return registry.names(sys.modules[__name__])


def read(kind: str, path: Path) -> Imported:
    """Read a trace of the kind.

    Parameters
    ----------
    kind : str
        One of `names`.
    path : Path
        File, or run folder.

    Raises
    ------
    DataError
        If the file is missing, damaged or not of that kind.
    UsageError
        If the kind is unknown, or needs a package that is not installed.
    """
    importer = registry.find(sys.modules[__name__], kind, Importer, "kind of trace")()
    try:
        found = importer.read(path)
    except (CodedDGDError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file: give {importer.wanted}") from None
    except Exception as error:  # parsers raise many types on content
        raise DataError(
            f"{path} cannot be read ({one_line(error)}): give {importer.wanted}"
        ) from None
    return found._replace(times=checked(str(path), found.times))
