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
from pathlib import Path

import numpy as np

from coded_dgd import __version__
from coded_dgd.engine.protocol import Plan

LOG = logging.getLogger("coded_dgd")
LOG.addHandler(logging.NullHandler())
FORMAT = logging.Formatter(
    "{asctime}.{msecs:03.0f} {levelname:<7} {message}", "%Y-%m-%d %H:%M:%S", style="{"
)


def open_log(path: str, level: str) -> logging.FileHandler:
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
    handler = open_log(plan.log, plan.log_level)
    assert handler.stream is not None
    faulthandler.enable(handler.stream, all_threads=False)  # for crashes
    return LOG
