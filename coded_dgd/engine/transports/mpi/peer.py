"""The connection to one worker process: all MPI calls that concern it, and its state."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import numpy as np

from coded_dgd.engine.events import TimelineEvent
from coded_dgd.engine.protocol import (
    Assignment,
    Control,
    Floats,
    Greeting,
    News,
    Report,
    pack_control,
    pack_news,
)
from coded_dgd.engine.transports.mpi.library import (
    CONTROL,
    EVENTS,
    MPI,
    WORKER_PAUSE,
    Pause,
)
from coded_dgd.host.process import host_name

UNSEEN_SECONDS = 0.01
"""Seconds for a process on another host to leave."""

MANY = 16
"""Number of messages being sent from which on those that are sent are forgotten."""

GONE = "the process is gone (killed, or out of memory)"


def start(requests: list[MPI.Prequest], peers: Sequence[Peer], numbers: Iterable[int]) -> None:
    """Start requests that have been set up, one for each peer of these numbers."""
    try:
        MPI.Prequest.Startall(requests)
    except MPI.Exception:
        for request, number in zip(requests, numbers, strict=True):
            try:
                request.Start()
            except MPI.Exception as error:
                if error.Get_error_class() != MPI.ERR_REQUEST:  # else it was started above
                    peers[number].fail()


class Peer:
    """The connection to one worker process.

    All MPI calls that concern the worker are made here. The first that fails calls `on_failure`;
    from then on the peer is `gone` and nothing is sent to it.
    """

    def __init__(self, comm: MPI.Comm, rank: int, on_failure: Callable[[str], None]) -> None:
        self._comm, self.rank, self._on_failure = comm, rank, on_failure
        self.gone = False
        self.vanished = False
        """Whether the process has ended without a report from MPI."""
        self.unreachable = False
        """Whether the peer is gone only because nothing arrives from it; it may come back."""
        self.silent = 0.0
        """Seconds without a sign of life."""
        self.host, self.pid = "", 0
        self.greetings: list[Greeting] = []
        self.visible = False
        """Whether the operating system shows the process here."""
        self.report: Report | None = None
        self.assignment: Assignment | None = None
        self.rows = 0
        """Number of rows of each block of the assignment that have been sent."""
        self.received = 0
        self._heard = 0  # number of results received at the last check
        self._sending: list[tuple[MPI.Request, Any]] = []
        self.unsent = 0
        """Number of bytes that were being sent at the last `look_at_sends`, or are sent since then.

        Points do not count.
        """
        self._heartbeats: list[tuple[MPI.Request, Any]] = []

    def fail(self, cause: str = GONE) -> None:
        """Treat the peer as gone."""
        if not self.gone:
            self.gone = True
            self._sending, self._heartbeats = [], []
            self.unsent = 0
            self._on_failure(cause)

    def look(self, others_visible: bool, lost: bool = False) -> None:
        """Notice that the process has ended, which MPI reports only if a signal has killed it.

        The process may have ended before its host and process id were read.

        Parameters
        ----------
        others_visible : bool
            Whether the operating system shows the processes of other peers here.
        lost : bool
            Whether the process is known to have ended.
        """
        if not self.host and lost:
            self.vanished = True
            self.fail()
        local = self.visible or (others_visible and self.host == host_name())
        if local and not self.gone:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                self.vanished = True
                self.fail()

    def note_life(self) -> None:
        """Count results received since the last check as a sign of life."""
        if self.received > self._heard:
            self._heard, self.silent = self.received, 0.0

    def heartbeat(self, seconds: float) -> None:
        """Send a heartbeat. `seconds`: time since the previous one."""
        self._heartbeats = self._pending(self._heartbeats)
        if self._heartbeats:
            self.silent += seconds
        elif not self.gone:
            self.silent = 0.0
            try:
                word = pack_control(Control.HEARTBEAT)
                self._heartbeats = [(self._comm.Issend(word, self.rank, CONTROL), word)]
            except MPI.Exception:
                self.fail()

    def give_up(self, cause: str) -> None:
        """Treat a peer that does not answer as lost; kill it if possible."""
        if self.visible:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.unreachable = not self.visible
        self.fail(cause)

    def dismiss(self) -> None:
        """Order an unreachable peer to leave if it comes back."""
        for command in (Control.STOP, Control.RELEASE):
            word = pack_control(command, 1)
            with suppress(MPI.Exception):
                self._sending.append((self._comm.Isend(word, self.rank, CONTROL), word))

    def see_off(self, deadline: float) -> None:
        """Wait until the process is gone, or a short time if it is not visible from here."""
        if not self.visible:
            deadline = min(deadline, monotonic() + UNSEEN_SECONDS)
        pause = Pause(WORKER_PAUSE)
        while not self.gone and monotonic() < deadline:
            self.look(False)
            pause()

    def listen(self, buffer: Any, tag: int) -> MPI.Request:
        """Post a receive."""
        if not self.gone:
            try:
                return self._comm.Irecv(buffer, self.rank, tag)
            except MPI.Exception:
                self.fail()
        return MPI.REQUEST_NULL

    def set_up_receive(self, buffer: Any, tag: int) -> MPI.Prequest | None:
        """Return a receive that can be started again and again; None if the peer is gone."""
        return self._set_up(self._comm.Recv_init, buffer, tag)

    def set_up_point(self, buffer: Floats, received: bool) -> MPI.Prequest | None:
        """Return a send of points that can be started again and again; None if the peer is gone.

        Parameters
        ----------
        received : bool
            Whether it completes only once the message has been received.
        """
        prepare: Callable[..., Any] = self._comm.Ssend_init if received else self._comm.Send_init
        return self._set_up(prepare, buffer, CONTROL)

    def _set_up(self, prepare: Callable[..., Any], buffer: Any, tag: int) -> MPI.Prequest | None:
        if not self.gone:
            try:
                request: MPI.Prequest = prepare(buffer, self.rank, tag)
                return request
            except MPI.Exception:
                self.fail()
        return None

    def send(self, message: Any, tag: int, received: bool = False) -> None:
        """Send without waiting, and keep the message until it is sent or, if asked, `received`."""
        if not self.gone:
            view = memoryview(message).cast("B") if len(message) else message
            send = self._comm.Issend if received else self._comm.Isend
            try:
                self._sending.append((send(message, self.rank, tag), view))
                self.unsent += len(view)
            except MPI.Exception:
                self.fail()

    def command(self, command: Control, argument: int = 0) -> None:
        """Send a command, and keep the last one until it is received.

        Otherwise a worker that is to leave may mistake the end of this process for a crash.
        """
        self.send(pack_control(command, argument), CONTROL, command is Control.RELEASE)

    def tell(self, news: News) -> None:
        """Send news of the worker's tasks."""
        if len(self._sending) >= MANY:
            self._sending = self._pending(self._sending)
        self.send(pack_news(news), CONTROL)

    def look_at_sends(self) -> None:
        """Notice messages that have been sent."""
        self._sending = self._pending(self._sending)
        self.unsent = sum(len(view) for _, view in self._sending)

    @property
    def busy(self) -> bool:
        """Whether anything but points is being sent."""
        self._sending, self._heartbeats = (
            self._pending(self._sending),
            self._pending(self._heartbeats),
        )
        return bool(self._sending or self._heartbeats)

    def _pending(self, items: list[tuple[MPI.Request, Any]]) -> list[tuple[MPI.Request, Any]]:
        """Return the messages that are not sent yet; none if the peer is gone."""
        try:
            return [item for item in items if not item[0].Test()]
        except MPI.Exception:
            self.fail()
            return []

    def events(self, deadline: float) -> Floats | None:
        """Receive the events that the report has announced; return None if they do not arrive."""
        if self.gone or self.report is None or not self.report.events:
            return None
        rows = np.empty((self.report.events, len(TimelineEvent._fields)))
        pause = Pause(WORKER_PAUSE)
        try:
            while not self._comm.Iprobe(self.rank, EVENTS):
                if monotonic() >= deadline:
                    return None
                pause()
            self._comm.Recv(rows, self.rank, EVENTS)
        except MPI.Exception:
            self.fail()
            return None
        return rows

    @property
    def complete(self) -> bool:
        """Whether the peer has all data of its assignment, or has none."""
        assignment = self.assignment
        if (
            assignment is None
            or not assignment.tasks
            or assignment.local_encoding is not None
            or assignment.attaches
        ):
            return True
        return self.rows >= assignment.height

    @property
    def drained(self) -> bool:
        """Whether the peer has sent its report and all its messages have arrived."""
        if self.gone:
            return True
        return not self.busy and self.report is not None and self.received >= self.report.results
