"""Ending this process at once, and telling its guardian about its end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

OWNER = "_CODED_DGD_RANK_PROCESS"
"""Variable with the process id of the rank: processes that a rank starts are no ranks."""


class Guardian:
    """The guardian of this process, if there is one."""

    pipe: int | None = None
    """Descriptor to write notices to."""


def is_rank() -> bool:
    """Whether this is the rank itself, and no process that it has forked."""
    return os.environ.get(OWNER) == str(os.getpid())


def notify_guardian(notice: bytes) -> None:
    """Tell the guardian of this process how it is going to end (`host.guardian`)."""
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
