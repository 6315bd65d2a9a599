"""The logs of ``--log-dir``: each rank writes its own. Only imported if logs are requested.

The file of rank 3 is ``rank-003.log``. An existing file is kept: a resumed run appends to it.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import platform
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

from coded_dgd._version import __version__
from coded_dgd.engine.protocol import Assignment
from coded_dgd.files import writing
from coded_dgd.host.process import host_name

LOG = logging.getLogger("coded_dgd")
LOG.addHandler(logging.NullHandler())
FORMAT = logging.Formatter(
    "{asctime}.{msecs:03.0f} {levelname:<7} {message}", "%Y-%m-%d %H:%M:%S", style="{"
)


class _File(logging.FileHandler):
    """A log file that prints nothing when writing it fails."""

    def __init__(self, path: str, needed: bool) -> None:
        super().__init__(path, encoding="utf-8")
        self.setFormatter(FORMAT)
        self._needed = needed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name of logging's)
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
        elif self._needed:
            with writing(Path(self.baseFilename)):
                raise  # the exception being handled
        else:
            logging.getLogger().removeHandler(self)

    def close(self) -> None:
        with suppress(OSError):  # the unwritten rest still blocks the buffer
            super().close()


def open_log(path: str, level: str, needed: bool) -> logging.FileHandler:
    """Write to a file everything logged in this process, and the warnings of Python and numpy.

    Parameters
    ----------
    needed : bool
        Whether a file that cannot be written ends the run; otherwise it ends only the log.

    Raises
    ------
    OSError
        The file cannot be opened.
    StorageError
        The file is `needed` and cannot be written. Later log calls raise it, too.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = _File(path, needed)
    logging.getLogger().addHandler(handler)
    LOG.setLevel(level.upper())
    logging.captureWarnings(True)
    if not sys.warnoptions:
        warnings.simplefilter("default")
    LOG.info(
        "start: process %d on %s; coded-dgd %s, Python %s, numpy %s",
        os.getpid(), host_name(), __version__, platform.python_version(), np.__version__,
    )  # fmt: skip
    return handler


def of_worker(assignment: Assignment) -> logging.Logger:
    """Begin the log of a worker process in the file that the assignment names.

    Raises
    ------
    OSError
        The file cannot be opened.
    """
    assert assignment.log is not None
    handler = open_log(assignment.log, assignment.log_level, needed=False)
    assert handler.stream is not None
    faulthandler.enable(handler.stream, all_threads=False)  # for crashes
    return LOG
