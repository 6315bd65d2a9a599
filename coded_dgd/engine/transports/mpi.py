"""Master and workers over MPI. No other file imports mpi4py.

Receives are posted ahead, per worker, never with ANY_SOURCE; there is no collective between
MPI_Init and MPI_Finalize and no send is ever cancelled. Nobody spins: waiting sleeps between tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from math import inf
from time import monotonic, sleep
from typing import Any

import numpy as np

from coded_dgd.engine.protocol import (
    HEADER,
    RELEASE,
    STOP,
    Floats,
    Plan,
    Point,
    Report,
    Result,
    describe_failure,
    read_result,
)
from coded_dgd.engine.transports.base import STOP_SECONDS, Transport
from coded_dgd.engine.transports.launcher import launch
from coded_dgd.engine.worker import Worker
from coded_dgd.errors import CodedDGDError, UsageError, WorkerFailed

try:
    from mpi4py import MPI
except (ImportError, RuntimeError) as error:
    raise CodedDGDError(
        "no MPI library can be loaded: install one, or pip install 'coded-dgd[mpi]' for an "
        f"embedded one ({str(error).splitlines()[0]})"
    ) from None

PLAN, DATA, POINT, RESULT, REPORT = range(1, 6)  # tags
REPORT_BYTES = 16384

WORKER_PAUSE = (5e-5, 1e-3)
MASTER_PAUSE = (5e-5, 2e-4)
"""Shortest and longest sleep between two tests, in seconds; it doubles from one to the other."""

DATA_IN_FLIGHT = 1 << 27
"""Bytes of data that rank 0 holds in unfinished sends before it waits."""

WINDOW = 16
"""Points that a worker may have unread. Every 16th is sent synchronously, and until it has been
received the worker is owed only the newest one: a frozen worker costs no memory."""


class Pause:
    """Sleeps that back off, so that a wait neither spins nor comes late."""

    def __init__(self, limits: tuple[float, float]) -> None:
        self._next, self._longest = limits

    def __call__(self) -> None:
        sleep(self._next)
        self._next = min(2 * self._next, self._longest)


@lru_cache(maxsize=1)
def world() -> MPI.Intracomm:
    """Return COMM_WORLD, once it is certain that its size is what the launcher started.

    Raises
    ------
    UsageError
        If mpiexec belongs to another MPI: then every process is alone.
    """
    launched = launch()
    if launched and launched.size > 1 and MPI.COMM_WORLD.size == 1:
        if launched.rank > 0:
            sys.exit(UsageError.exit_code)
        library = MPI.Get_library_version().split(",")[0].splitlines()[0]
        raise UsageError(
            f"mpiexec started {launched.size} processes, but each is alone in the MPI library that "
            f"mpi4py loads ({library}): start with the mpiexec of that MPI"
        )
    return MPI.COMM_WORLD


class _Outbox:
    """Points on their way to one worker."""

    def __init__(self, comm: MPI.Intracomm, rank: int) -> None:
        self._comm, self._rank = comm, rank
        self._sending: list[tuple[MPI.Request, Floats]] = []
        self._gate: MPI.Request | None = None
        self._count = 0
        self.owed: Floats | None = None

    @property
    def busy(self) -> bool:
        """Whether something is still on its way, or waits to be."""
        self.advance()
        return bool(self._sending) or self.owed is not None

    def post(self, message: Floats) -> None:
        self.owed = message
        self.advance()

    def advance(self) -> None:
        """Send what is owed unless the worker has too much unread."""
        self._sending = [item for item in self._sending if not item[0].Test()]
        if self.owed is None or (self._gate is not None and not self._gate.Test()):
            return
        self._gate = None
        self._count += 1
        if self._count % WINDOW:
            request = self._comm.Isend(self.owed, self._rank, POINT)
        else:
            request = self._gate = self._comm.Issend(self.owed, self._rank, POINT)
        self._sending.append((request, self.owed))
        self.owed = None


class MPIMaster(Transport):
    """Rank 0's connections to the workers, ranks 1..M."""

    def __init__(self) -> None:
        self._comm = world()
        self.workers = self._comm.size - 1
        self._outboxes = [_Outbox(self._comm, rank) for rank in range(1, self.workers + 1)]
        self._plans: dict[int, Plan] = {}
        self._rows = [0] * self.workers  # of each block, given to each worker so far
        self._setup: list[tuple[MPI.Request, Any]] = []
        self._received = [0] * self.workers
        self._reports: dict[int, Report] = {}
        self._stopped = False
        # receives: results of workers 0..M-1, then their reports
        self._requests = [MPI.REQUEST_NULL] * (2 * self.workers)
        self._buffers: list[Any] = [None] * (2 * self.workers)

    def clock(self) -> float:
        return monotonic()

    def plan(self, plan: Plan) -> None:
        worker = plan.worker
        self._plans[worker] = plan
        self._send_setup(json.dumps(asdict(plan)).encode(), worker, PLAN)
        self._buffers[worker] = np.empty(HEADER + plan.payload)
        self._buffers[self.workers + worker] = bytearray(REPORT_BYTES)
        self._post(worker)
        self._post(self.workers + worker)

    def piece(self, worker: int, start: int, X: Floats, y: Floats | None) -> None:
        while sum(len(buffer) for _, buffer in self._unsent()) > DATA_IN_FLIGHT:
            for arrived in self.receive(monotonic() + WORKER_PAUSE[1]):  # nothing but failures
                assert isinstance(arrived, Report)
                raise WorkerFailed(describe_failure(arrived))
        self._send_setup(X, worker, DATA)
        if y is not None:
            self._send_setup(y, worker, DATA)
        self._rows[worker] = start + X.shape[1]

    def _send_setup(self, message: Any, worker: int, tag: int) -> None:
        view = memoryview(message).cast("B") if len(message) else message
        self._setup.append((self._comm.Isend(message, worker + 1, tag), view))

    def _unsent(self) -> list[tuple[MPI.Request, Any]]:
        """Forget the set-up messages that have been sent; return those that have not, as bytes."""
        self._setup = [item for item in self._setup if not item[0].Test()]
        return self._setup

    def broadcast(self, point: Point) -> None:
        message = np.concatenate([[point.iteration], point.beta])
        for outbox in self._outboxes:
            outbox.post(message)

    def receive(self, until: float = inf) -> Iterator[Result | Report]:
        pause = Pause(MASTER_PAUSE)
        while not (indices := self._arrived()):
            if monotonic() >= until:
                return
            for outbox in self._outboxes:
                if outbox.owed is not None:
                    outbox.advance()
            pause()
        now = monotonic()
        for index in indices:
            yield self._read(index, now)
            self._post(index)

    def _arrived(self) -> list[int]:
        """Indices of the receives that have completed."""
        some = MPI.Request.Testsome  # one call seldom completes a message that has just arrived
        indices = some(self._requests) or some(self._requests) or []
        for index in indices:
            if index < self.workers:
                self._received[index] += 1
        return list(indices)

    def _read(self, index: int, now: float) -> Result | Report:
        if index < self.workers:
            return read_result(index, now, self._buffers[index])
        report = Report(*json.loads(self._buffers[index].rstrip(b"\0")))
        self._reports[report.worker] = report
        return report

    def _post(self, index: int) -> None:
        worker = index % self.workers
        if worker in self._reports and index >= self.workers:
            return  # a report is the last one
        tag = RESULT if index < self.workers else REPORT
        self._requests[index] = self._comm.Irecv(self._buffers[index], worker + 1, tag)

    def stop(self, timeout: float) -> tuple[list[Report], int]:
        if self._stopped:
            return list(self._reports.values()), 0
        self._stopped = True
        deadline = monotonic() + timeout
        for worker in range(self.workers):
            plan = self._plans.get(worker)
            if plan is None:
                self._send_setup(json.dumps(None).encode(), worker, PLAN)
            elif plan.tasks and self._rows[worker] < plan.height:
                self._send_setup(np.empty(0), worker, DATA)
        self._tell_all(STOP)
        before = sum(self._received)
        for index, request in enumerate(self._requests):
            if request == MPI.REQUEST_NULL and index % self.workers in self._plans:
                self._post(index)
        pause = Pause(WORKER_PAUSE)
        while not self._drained() and monotonic() < deadline:
            for outbox in self._outboxes:
                outbox.advance()
            for index in self._arrived():
                self._read(index, 0.0)
                self._post(index)
            pause()
        for request in self._requests:
            if request != MPI.REQUEST_NULL:
                request.Cancel()
                request.Wait()
        if self._drained():
            self._tell_all(RELEASE)
            while any(outbox.busy for outbox in self._outboxes) and monotonic() < deadline:
                pause()
        return list(self._reports.values()), sum(self._received) - before

    def stop_or_abort(self, code: int = 0) -> None:
        """Stop the workers if that has not been done; abort the job where one does not answer."""
        self.stop(STOP_SECONDS)
        if self._drained():
            return
        silent = [worker + 1 for worker in self._plans if worker not in self._reports]
        if silent:
            names = f"rank{'s'[: len(silent) > 1]} {', '.join(map(str, silent))}"
            print(f"coded-dgd: {names} did not stop: the job is aborted", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)

    def _tell_all(self, command: int) -> None:
        """Post STOP or RELEASE to every worker that has a plan."""
        for worker in self._plans:
            self._outboxes[worker].post(np.array([float(command)]))

    def _drained(self) -> bool:
        """Whether every worker has said its last word and nothing of it is under way."""
        return not self._unsent() and all(
            worker in self._reports and self._received[worker] == self._reports[worker].results
            for worker in self._plans
        )


@lru_cache(maxsize=1)
def master() -> MPIMaster:
    """Return the one master of this process."""
    return MPIMaster()


class MPIWorker:
    """A worker rank's connection to the master."""

    def __init__(self) -> None:
        self._comm = world()
        self._sending: list[tuple[MPI.Request, Any]] = []
        self._buffer = np.empty(0)
        self._request = MPI.REQUEST_NULL

    def receive_plan(self) -> Plan | None:
        """Wait for the plan; None where there is nothing to do."""
        text = bytearray(self._probe(PLAN, MPI.BYTE))
        self._comm.Recv(text, 0, PLAN)
        fields = json.loads(text)
        if fields is None:
            return None
        fields["ends"] = tuple(fields["ends"])
        if fields["coefficients"] is not None:
            fields["coefficients"] = tuple(fields["coefficients"])
        plan = Plan(**fields)
        self._buffer = np.empty(1 + plan.features)
        self._request = self._comm.Irecv(self._buffer, 0, POINT)
        return plan

    def receive_data(self, worker: Worker) -> bool:
        """Wait for all data of the worker; False where the master gives up before."""
        plan, start = worker.plan, 0
        while plan.tasks and start < plan.height:
            rows = self._probe(DATA, MPI.DOUBLE) // (plan.tasks * plan.features)
            X = np.empty((plan.tasks, rows, plan.features))
            self._comm.Recv(X, 0, DATA)
            if not rows:
                return False
            y = None
            if plan.labels:
                self._probe(DATA, MPI.DOUBLE)
                y = np.empty((plan.tasks, rows))
                self._comm.Recv(y, 0, DATA)
            worker.load(start, X, y)
            start += rows
        return True

    def discard_data(self) -> None:
        """Receive data that a worker which has failed does not need, so that they are out."""
        status = MPI.Status()
        while self._comm.Iprobe(0, DATA, status):
            self._comm.Recv(bytearray(status.Get_count(MPI.BYTE)), 0, DATA)

    def _probe(self, tag: int, datatype: MPI.Datatype) -> int:
        """Wait for a message of that tag; return how many items it holds."""
        status = MPI.Status()
        pause = Pause(WORKER_PAUSE)
        while not self._comm.Iprobe(0, tag, status):
            pause()
        return int(status.Get_count(datatype))

    def wait(self, deadline: float) -> Point | None:
        """Wait for a newer point, at most until `deadline`; the newest if there are several."""
        pause, longest = WORKER_PAUSE
        while not self._request.Test():
            remaining = deadline - monotonic()
            if remaining <= 0:
                return None
            sleep(min(pause, remaining))
            pause = min(2 * pause, longest)
        return self._newest()

    def _newest(self) -> Point:
        """Take the point that has arrived, and any newer ones behind it."""
        while True:
            point = Point(int(self._buffer[0]), self._buffer[1:].copy())
            if point.iteration == RELEASE:
                return point
            self._request = self._comm.Irecv(self._buffer, 0, POINT)
            if point.iteration == STOP or not (self._request.Test() or self._request.Test()):
                return point

    def send(self, message: Floats) -> None:
        """Send a result without waiting."""
        self._sending = [item for item in self._sending if not item[0].Test()]
        self._sending.append((self._comm.Isend(message, 0, RESULT), message))

    def report(self, report: Report) -> None:
        """Send the last word, once everything before it is out."""
        text = json.dumps(report).encode()
        self._sending.append((self._comm.Isend(text, 0, REPORT), text))
        pause = Pause(WORKER_PAUSE)
        while not all(request.Test() for request, _ in self._sending):
            pause()
