"""Rank 0's connections to the workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache
from math import inf
from time import monotonic
from typing import Any

import numpy as np

from coded_dgd.engine.losses import ranks
from coded_dgd.engine.marks import Mark, Marked
from coded_dgd.engine.protocol import (
    HEADER,
    Command,
    Floats,
    Plan,
    Point,
    Report,
    Result,
    read_result,
)
from coded_dgd.engine.transports.base import STOP_SECONDS, Transport
from coded_dgd.engine.transports.mpi.library import (
    COMMAND,
    DATA,
    MARKS,
    MASTER_PAUSE,
    MPI,
    PLAN,
    POINT,
    REPORT,
    REPORT_BYTES,
    RESULT,
    WORKER_PAUSE,
    Pause,
    fault_tolerant,
    leave,
    world,
)

DATA_IN_FLIGHT = 1 << 27
"""Bytes of data that rank 0 holds in unfinished sends before it waits."""

WINDOW = 16
"""Points that a worker may have unread. Every 16th is sent synchronously, and until it has been
received the worker is owed only the newest one: a frozen worker costs no memory."""

KILL_SECONDS = 2.0
"""How long it may take until a killed process is known to be gone."""

GONE = "the process is gone (killed, or out of memory)"


class _Peer:
    """The connection to one worker process.

    Every call of MPI about it is made here: the first that fails calls `on_failure`, and from then
    on the peer is `gone` and nothing is sent to it.
    """

    def __init__(self, comm: MPI.Comm, rank: int, on_failure: Callable[[], None]) -> None:
        self._comm, self.rank, self._on_failure = comm, rank, on_failure
        self.gone = False
        self.host = ""
        self.pid = 0
        self.report: Report | None = None
        self.plan: Plan | None = None
        self.rows = 0
        """Rows of each block of the plan that have been sent."""
        self.received = 0
        self._sending: list[tuple[MPI.Request, Any]] = []
        self._points: list[tuple[MPI.Request, Floats]] = []
        self._gate: MPI.Request | None = None
        self._count = 0
        self.owed: Floats | None = None

    def fail(self) -> None:
        """Give the peer up."""
        if not self.gone:
            self.gone = True
            self._sending, self._points, self.owed = [], [], None
            self._on_failure()

    def listen(self, buffer: Any, tag: int) -> MPI.Request:
        """Post a receive."""
        if not self.gone:
            try:
                return self._comm.Irecv(buffer, self.rank, tag)
            except MPI.Exception:
                self.fail()
        return MPI.REQUEST_NULL

    def send(self, message: Any, tag: int) -> None:
        """Send without waiting; the message is kept until it is out."""
        if not self.gone:
            view = memoryview(message).cast("B") if len(message) else message
            try:
                self._sending.append((self._comm.Isend(message, self.rank, tag), view))
            except MPI.Exception:
                self.fail()

    def command(self, command: Command, argument: int = 0) -> None:
        """Send a command."""
        self.send(np.array([command, argument]), COMMAND)

    def unsent(self) -> int:
        """Bytes on their way, points aside."""
        self._sending = self._pending(self._sending)
        return sum(len(view) for _, view in self._sending)

    @property
    def busy(self) -> bool:
        """Whether anything but points is on its way."""
        self._sending = self._pending(self._sending)
        return bool(self._sending)

    def _pending(self, items: list[tuple[MPI.Request, Any]]) -> list[tuple[MPI.Request, Any]]:
        """Those that are not out yet; none where the peer is gone."""
        try:
            return [item for item in items if not item[0].Test()]
        except MPI.Exception:
            self.fail()
            return []

    def post(self, message: Floats) -> None:
        """Send a point, now or as soon as the peer has read those before it."""
        if not self.gone:
            self.owed = message
            self.advance()

    def advance(self) -> None:
        """Send what is owed unless the peer has too much unread."""
        self._points = self._pending(self._points)
        if self.owed is None:
            return
        if self._gate is not None and any(self._gate is request for request, _ in self._points):
            return
        self._gate = None
        self._count += 1
        send = self._comm.Isend if self._count % WINDOW else self._comm.Issend
        try:
            request = send(self.owed, self.rank, POINT)
        except MPI.Exception:
            self.fail()
            return
        if not self._count % WINDOW:
            self._gate = request
        self._points.append((request, self.owed))
        self.owed = None

    def marks(self, deadline: float) -> Floats | None:
        """Receive the marks that the report has announced; None where they do not come."""
        if self.gone or self.report is None or not self.report.marks:
            return None
        rows = np.empty((self.report.marks, len(Mark._fields)))
        pause = Pause(WORKER_PAUSE)
        try:
            while not self._comm.Iprobe(self.rank, MARKS):
                if monotonic() >= deadline:
                    return None
                pause()
            self._comm.Recv(rows, self.rank, MARKS)
        except MPI.Exception:
            self.fail()
            return None
        return rows

    @property
    def complete(self) -> bool:
        """Whether the peer has all data of its plan, or has none."""
        return self.plan is None or not self.plan.tasks or self.rows >= self.plan.height

    @property
    def drained(self) -> bool:
        """Whether the peer has said its last word and nothing of it is under way."""
        if self.gone:
            return True
        return not self.busy and self.report is not None and self.received == self.report.results


class MPIMaster(Transport):
    """Rank 0's connections to the workers: peers 0..size-2 are ranks 1..size-1.

    Parameters
    ----------
    hard : bool
        Whether ranks may leave without MPI_Finalize even if none is lost by then.
    """

    def __init__(self, hard: bool = True) -> None:
        super().__init__()
        self._hard = hard
        comm = world()
        self.workers = comm.size - 1
        self.host = socket.gethostname()
        self._peers: list[_Peer] = []
        # receives: results of peer p at 2 p, its reports at 2 p + 1
        self._requests: list[MPI.Request] = []
        self._posted: list[bool] = []
        self._statuses: list[MPI.Status] = []
        self._buffers: list[Any] = []
        self._early: list[Result | Report] = []
        """What came while nobody asked."""
        self._iteration = 0
        self._stopped = False
        self._intercomms: list[MPI.Intercomm] = []  # of workers that have just been started
        self._hired: list[int] = []
        for rank in range(1, comm.size):
            self._add(comm, rank)

    def _add(self, comm: MPI.Comm, rank: int) -> int:
        number = len(self._peers)
        self._peers.append(_Peer(comm, rank, lambda: self._lose(number)))
        self._requests += [MPI.REQUEST_NULL] * 2
        self._posted += [False] * 2
        self._statuses += [MPI.Status(), MPI.Status()]
        self._buffers += [None, bytearray(REPORT_BYTES)]
        self._post(2 * number + 1)
        return number

    def _lose(self, number: int) -> None:
        """Note that the process of a peer is gone."""
        if number not in self.lost:
            peer = self._peers[number]
            self.lost[number] = Report(
                number, peer.host, peer.received, 0.0, 0.0, self._iteration, GONE
            )
            self._early.append(self.lost[number])

    def clock(self) -> float:
        return monotonic()

    def plan(self, peer: int, plan: Plan) -> None:
        target = self._peers[peer]
        if self._buffers[2 * peer] is None:
            self._buffers[2 * peer] = np.empty(HEADER + plan.features)
            self._post(2 * peer)
        target.plan, target.rows = plan, 0
        target.command(Command.PLAN)
        target.send(json.dumps(asdict(plan)).encode(), PLAN)

    def piece(self, peer: int, start: int, X: Floats, y: Floats | None) -> None:
        pause = Pause(WORKER_PAUSE)
        while sum(each.unsent() for each in self._peers) > DATA_IN_FLIGHT:
            self._early += self._collect()
            pause()
        target = self._peers[peer]
        if peer in self.lost:  # also where it has only failed: then it drops what comes
            target.rows = start + X.shape[1]
            return
        target.send(X, DATA)
        if y is not None:
            target.send(y, DATA)
        target.rows = start + X.shape[1]

    def broadcast(self, point: Point, peers: Iterable[int]) -> None:
        self._iteration = point.iteration
        message = np.concatenate([[point.lane, point.iteration], point.beta])
        for peer in peers:
            if peer not in self.lost:
                self._peers[peer].post(message)

    def receive(self, until: float = inf) -> Iterator[Result | Report]:
        pause = Pause(MASTER_PAUSE)
        while not (indices := self._arrived()) and not self._early:
            if self.interrupted or monotonic() >= until:
                return
            for peer in self._peers:
                if peer.owed is not None:
                    peer.advance()
            pause()
        early, self._early = self._early, []
        yield from early
        now = monotonic()
        for index, length in indices:
            if arrived := self._read(index, length, now):
                yield arrived
            self._post(index)

    def _collect(self) -> list[Result | Report]:
        """Take what has arrived, for later."""
        now, collected = monotonic(), []
        for index, length in self._arrived():
            arrived = self._read(index, length, now)
            if isinstance(arrived, Result):
                arrived = arrived._replace(payload=arrived.payload.copy())
            if arrived:
                collected.append(arrived)
            self._post(index)
        return collected

    def _arrived(self) -> list[tuple[int, int]]:
        """Receives that have completed, and how many bytes came."""
        some, requests, statuses = MPI.Request.Testsome, self._requests, self._statuses
        try:
            # one call seldom completes a message that has just arrived
            indices = some(requests, statuses) or some(requests, statuses) or []
        except MPI.Exception:
            return self._salvage()
        arrived = []
        for index, status in zip(indices, statuses, strict=False):
            self._posted[index] = False
            if not index % 2:
                self._peers[index // 2].received += 1
            arrived.append((index, status.Get_count(MPI.BYTE)))
        return arrived

    def _salvage(self) -> list[tuple[int, int]]:
        """As `_arrived`, where a peer has been lost.

        The indices are gone with the exception: they are those of requests that have become null,
        and not every one of them has a status.
        """
        arrived = []
        for index, posted in enumerate(self._posted):
            if not posted or self._requests[index] != MPI.REQUEST_NULL:
                continue
            self._posted[index] = False
            peer = self._peers[index // 2]
            mine = [status for status in self._statuses if status.source == peer.rank]
            tag = REPORT if index % 2 else RESULT
            whole = [status.Get_count(MPI.BYTE) for status in mine if status.tag == tag]
            if any(status.error for status in mine) or not whole:
                peer.fail()
            else:
                peer.received += 1 - index % 2
                arrived.append((index, whole[0]))
        for status in self._statuses:
            status.error, status.source = 0, -1
        return arrived

    def _read(self, index: int, length: int, now: float) -> Result | Report | None:
        number, buffer = index // 2, self._buffers[index]
        if not index % 2:
            return read_result(number, now, buffer[: length // 8])
        peer, fields = self._peers[number], json.loads(bytes(buffer[:length]))
        if peer.report is None and not peer.host:  # the first is host and process id
            peer.host, peer.pid = fields
            return None
        report = peer.report = Report(*fields)._replace(peer=number)
        if report.failure is not None:
            self.lost[number] = report
        return report

    def _post(self, index: int) -> None:
        peer = self._peers[index // 2]
        if index % 2 and peer.report is not None:
            return  # a report is the last one
        tag = REPORT if index % 2 else RESULT
        self._requests[index] = peer.listen(self._buffers[index], tag)
        self._posted[index] = not peer.gone

    def host_of(self, peer: int) -> str:
        return self._peers[peer].host

    def hire(self) -> None:
        threading.Thread(target=self._spawn, daemon=True).start()

    def _spawn(self) -> None:
        arguments = ["-m", "coded_dgd.engine.serve"]
        comm = MPI.COMM_SELF.Spawn(sys.executable, arguments, maxprocs=1)
        comm.Set_errhandler(MPI.ERRORS_RETURN)
        self._intercomms.append(comm)

    def hired(self) -> list[int]:
        hired = []
        while self._intercomms:
            hired.append(self._add(self._intercomms.pop(), 0))
        return hired

    def stop(self, timeout: float) -> tuple[list[Report], int]:
        if not self._stopped:
            self._stopped = True
            deadline = monotonic() + timeout
            for peer in self._peers:
                if not peer.complete:
                    peer.send(np.empty(0), DATA)
                peer.command(Command.STOP)
            before = sum(peer.received for peer in self._peers)
            for index in range(len(self._requests)):
                if not self._posted[index] and self._buffers[index] is not None:
                    self._post(index)
            self._drain(deadline)
            if not self._drained() and fault_tolerant():
                self._kill_silent()
                self._drain(monotonic() + KILL_SECONDS)
            for request in self._requests:
                if request != MPI.REQUEST_NULL:
                    request.Cancel()
                    request.Wait()
            for number, peer in enumerate(self._peers):
                if (rows := peer.marks(deadline)) is not None:
                    self.worker_marks[number] = Marked(peer.host, rows)
            if self._drained():
                for peer in self._peers:
                    peer.command(Command.RELEASE, self.hard)
                pause = Pause(WORKER_PAUSE)
                while any(peer.busy for peer in self._peers) and monotonic() < deadline:
                    pause()
            drained = sum(peer.received for peer in self._peers) - before
        else:
            drained = 0
        return [peer.report for peer in self._peers if peer.report], drained

    def _drain(self, deadline: float) -> None:
        """Wait for the last words of all peers."""
        pause = Pause(WORKER_PAUSE)
        while not self._drained() and monotonic() < deadline:
            self._collect()
            for peer in self._peers:
                peer.advance()
            pause()

    def _silent(self) -> list[int]:
        """Peers that live but have not said their last word."""
        return [n for n, peer in enumerate(self._peers) if not peer.gone and not peer.report]

    def _kill_silent(self) -> None:
        """Kill processes on this host that do not answer: where a loss is survived, that ends well.

        MPI_Abort would not: with error code 0 it leaves such a process running, and the job.
        """
        here = [n for n in self._silent() if self._peers[n].host == socket.gethostname()]
        if here:
            print(
                f"coded-dgd: rank {ranks(n + 1 for n in here)} did not stop and was killed",
                file=sys.stderr,
            )
        for number in here:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._peers[number].pid, signal.SIGKILL)

    @property
    def hard(self) -> bool:
        """Whether ranks have to leave without MPI_Finalize, which may hang where one is gone."""
        return (self._hard and fault_tolerant()) or any(peer.gone for peer in self._peers)

    def stop_or_abort(self, code: int = 0) -> None:
        """Stop the workers if that has not been done; abort the job where one does not answer."""
        self.stop(STOP_SECONDS)
        if not self._drained():
            if silent := self._silent():
                print(
                    f"coded-dgd: rank {ranks(n + 1 for n in silent)} did not stop: the job is "
                    "aborted",
                    file=sys.stderr,
                )
            sys.stdout.flush()
            sys.stderr.flush()
            world().Abort(code)

    def end(self, code: int) -> None:
        """Leave with this exit code, at once where MPI_Finalize cannot be trusted."""
        self.stop_or_abort(code)
        if self.hard:
            leave(code)

    def _drained(self) -> bool:
        return all(peer.drained for peer in self._peers)


@lru_cache(maxsize=1)
def master() -> MPIMaster:
    """Return the one master of this process."""
    return MPIMaster()
