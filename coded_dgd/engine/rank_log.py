"""``--log-dir``: a log of each rank, written by the rank itself; imported where one is wanted.

The file of rank 3 is ``rank-003.log``. What is there is kept: a run that is resumed adds to it.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import platform
import socket
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from coded_dgd import __version__
from coded_dgd.engine.protocol import Plan
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import CodedDGDError, UsageError

LOG = logging.getLogger("coded_dgd")
LOG.addHandler(logging.NullHandler())
FORMAT = logging.Formatter(
    "{asctime}.{msecs:03.0f} {levelname:<7} {message}", "%Y-%m-%d %H:%M:%S", style="{"
)


class Logs(NamedTuple):
    """Where the ranks of a job write their logs, and how much."""

    folder: Path
    """Absolute: a worker may run elsewhere."""
    level: str

    def file(self, rank: int) -> str:
        """Name of the log of a rank."""
        return str(self.folder / f"rank-{rank:03d}.log")


def _open(path: str, level: str) -> logging.FileHandler:
    """Write to a file what is logged in this process, and the warnings of Python and numpy."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(FORMAT)
    logging.getLogger().addHandler(handler)
    LOG.setLevel(level.upper())
    logging.captureWarnings(True)
    if not sys.warnoptions:
        warnings.simplefilter("default")
    LOG.info(
        "start: process %d on %s; coded-dgd %s, Python %s, numpy %s",
        os.getpid(), socket.gethostname(), __version__, platform.python_version(), np.__version__,
    )  # fmt: skip
    return handler


def of_worker(plan: Plan) -> logging.Logger:
    """Begin the log of a worker process, to which the plan says where."""
    assert plan.log is not None
    handler = _open(plan.log, plan.log_level)
    assert handler.stream is not None
    faulthandler.enable(handler.stream, all_threads=False)  # for crashes
    return LOG


class LogDir:
    """The log of rank 0, while it is entered; workers that get a plan then have one as well.

    Raises
    ------
    UsageError
        If the folder or the file cannot be made.
    """

    def __init__(self, folder: Path, level: str, transport: Transport) -> None:
        self._logs = transport.logs = Logs(folder.absolute(), level)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            Path(self._logs.file(0)).touch()
        except OSError as error:
            raise UsageError(
                f"--log-dir {folder} cannot be written ({error.strerror}): name another folder"
            ) from None
        self._undo = ExitStack()

    def __enter__(self) -> LogDir:
        self._undo.enter_context(warnings.catch_warnings())
        handler = _open(self._logs.file(0), self._logs.level)
        self._undo.callback(handler.close)
        self._undo.callback(logging.getLogger().removeHandler, handler)
        self._undo.callback(logging.captureWarnings, False)
        LOG.info("command: %s", " ".join(sys.argv))
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, CodedDGDError):
            LOG.error("%s", error)
        elif error is not None:
            LOG.error("failed", exc_info=error)
        LOG.info("stop")
        self._undo.close()
