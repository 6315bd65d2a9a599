"""Stopping on request: signals of people and of batch systems."""

from __future__ import annotations

import os
import signal
from socket import gethostname
from types import FrameType, TracebackType
from typing import Any

from coded_dgd.engine.process import tell_launcher
from coded_dgd.engine.transports.base import Transport

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


class Interrupts:
    """While it is entered, a signal interrupts the transport; a second SIGINT ends at once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for each in SIGNALS:
            self._before[each] = signal.signal(each, self._take)
        tell_launcher("rank0", f"{gethostname()} {os.getpid()}")
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
        self._transport.interrupted = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
