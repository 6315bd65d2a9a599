"""``--log-dir`` on rank 0: the folder, and the log of rank 0 itself."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

from coded_dgd.engine.protocol import Logs
from coded_dgd.engine.rank_log import LOG, open_log
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import CodedDGDError, UsageError


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
        handler = open_log(self._logs.file(0), self._logs.level)
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
