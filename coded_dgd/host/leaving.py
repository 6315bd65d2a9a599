"""End this process at once, or with its parent, and inform its guardian of the end."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

OWNER = "_CODED_DGD_RANK_PROCESS"
"""Variable with the process id of the rank; processes that a rank starts are not ranks."""

PR_SET_PDEATHSIG = 1
"""Operation of Linux's prctl: the signal to send to this process when its parent ends."""


class Guardian:
    """The guardian of this process, if there is one."""

    pipe: int | None = None
    """Descriptor to which notices are written."""


def is_rank() -> bool:
    """Return whether this is the rank itself, and not a process that it has forked."""
    return os.environ.get(OWNER) == str(os.getpid())


def notify_guardian(notice: bytes) -> None:
    """Inform the guardian of this process how it is going to end (`host.guardian`)."""
    if Guardian.pipe is not None and is_rank():
        with suppress(OSError):
            os.write(Guardian.pipe, notice)


def leave(code: int) -> NoReturn:
    """End this process without MPI_Finalize, which is collective and hangs if a rank is gone."""
    notify_guardian(b"l")
    for stream in sys.stdout, sys.stderr:
        with suppress(AttributeError, OSError, ValueError):  # None, or closed
            stream.flush()
    os._exit(code)


def end_with_parent() -> None:
    """Let the system kill this process when its parent process ends, where the system can."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
