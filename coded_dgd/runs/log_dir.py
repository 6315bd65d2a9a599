"""This module implements ``--log-dir`` on rank 0: it makes the folder and writes rank 0's log."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.observer import Observer, Start, Stop
from coded_dgd.engine.protocol import Logs
from coded_dgd.engine.rank_log import LOG, open_log
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import CodedDGDError, StorageError
from coded_dgd.files import writing


class LogDir(Observer):
    """A log directory is a context in which rank 0, and workers with an assignment, write logs.

    Raises
    ------
    UsageError
        If the folder or the file cannot be made.
    StorageError
        If the disk is full or fails, here or when something is logged later.
    """

    def __init__(self, folder: Path, level: str, transport: Transport) -> None:
        self._logs = transport.logs = Logs(folder.absolute(), level)
        with writing(folder, "name another folder with --log-dir"):
            folder.mkdir(parents=True, exist_ok=True)
            Path(self._logs.file(0)).touch()
        self._undo = ExitStack()

    def __enter__(self) -> LogDir:
        self._undo.enter_context(warnings.catch_warnings())
        with writing(Path(self._logs.file(0))):
            handler = open_log(self._logs.file(0), self._logs.level, needed=True)
        self._undo.callback(handler.close)
        self._undo.callback(logging.getLogger().removeHandler, handler)
        self._undo.callback(logging.captureWarnings, False)
        LOG.info("command: %s", " ".join(sys.argv))
        return self

    def resumed(self, iterations: int, complaints: Sequence[str]) -> None:
        for complaint in complaints:
            self.warning(complaint)

    def start(self, start: Start) -> None:
        for caution in start.cautions:
            LOG.warning("%s", caution)
        LOG.info("the first iteration begins %.3f s after the process", start.startup_time)

    def iteration(self, record: Iteration) -> None:
        LOG.debug("%s", record)

    def stopped(self, stop: Stop) -> None:
        LOG.info("%s", stop)

    def warning(self, line: str, details: str = "") -> None:
        LOG.warning("%s", f"{line}\n{details}".strip())

    def end(self, error: BaseException | None) -> None:
        with self._undo:
            try:
                if isinstance(error, CodedDGDError):
                    LOG.error("%s", error)
                elif error is not None:
                    LOG.error("failed", exc_info=error)
                LOG.info("stop")
            except StorageError:
                if error is None:  # an earlier error takes precedence
                    raise
