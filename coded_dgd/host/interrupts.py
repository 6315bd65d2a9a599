"""Stopping on request: signals of people and of batch systems."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Protocol

from coded_dgd.host.process import host_name, tell_launcher

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


class Interruptible(Protocol):
    """An object that can be asked to stop, such as a `Transport`."""

    interrupted: bool


class Waiting:
    """A wait that a signal can interrupt."""

    interrupted = False


class Interrupts:
    """A context in which a signal interrupts the work, and a second SIGINT ends it at once."""

    def __init__(self, work: Interruptible) -> None:
        self._work = work
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for each in SIGNALS:
            self._before[each] = signal.signal(each, self._take)
        tell_launcher("rank0", f"{host_name()} {os.getpid()}")
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        self._work.interrupted = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
