"""Rank 0's connections to the workers."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache
from math import inf
from time import monotonic, sleep, time
from typing import Any

import numpy as np

from coded_dgd import __version__
from coded_dgd.engine.losses import ranks
from coded_dgd.engine.marks import Marked
from coded_dgd.engine.process import tell_launcher
from coded_dgd.engine.protocol import (
    Command,
    Floats,
    Greeting,
    Holding,
    Plan,
    Point,
    Reals,
    Report,
    Result,
    point_word,
    read_result,
    result_parts,
    result_size,
)
from coded_dgd.engine.threads import threads
from coded_dgd.engine.transports.base import STOP_SECONDS, Transport
from coded_dgd.engine.transports.mpi.library import (
    DATA,
    MASTER_PAUSE,
    MPI,
    PLAN,
    REPORT,
    REPORT_BYTES,
    RESULT,
    WORKER_PAUSE,
    Pause,
    fault_tolerant,
    leave,
    world,
)
from coded_dgd.engine.transports.mpi.peer import Peer
from coded_dgd.engine.transports.mpi.runtime import end_job, is_here, lost_here
from coded_dgd.errors import UsageError
from coded_dgd.problems.partition import DATA_IN_FLIGHT
from coded_dgd.problems.sparse import SparseRows

LOOK_SECONDS = 1.0
"""Time between two looks at the processes themselves."""

DEPARTURE_SECONDS = 0.1
"""Longest wait for one rank to be gone before the next one leaves without MPI_Finalize: Open MPI's
mpiexec tells all others of each, and aborts where too many of them are leaving as well."""

FORWARD_SECONDS = 0.3
"""Time for mpiexec to pass on what has been printed."""

NOBODY = -1
"""Source of a status that has been read."""

SILENT_AT_END = "it did not stop"


class MPIMaster(Transport):
    """Rank 0's connections to the workers: peers 0..size-2 are ranks 1..size-1.

    Parameters
    ----------
    hard : bool
        Whether ranks may leave without MPI_Finalize even if none is lost by then.
    """

    shares_memory = True

    def __init__(self, hard: bool = True) -> None:
        super().__init__()
        self._hard = hard
        comm = world()
        self.workers = comm.size - 1
        self.host = socket.gethostname()
        self._peers: list[Peer] = []
        # receives: results of peer p at 2 p, its reports at 2 p + 1
        self._requests: list[MPI.Request] = []
        self._posted: list[bool] = []
        self._statuses: list[MPI.Status] = []
        self._buffers: list[Any] = []
        self._parts: dict[int, tuple[Floats, Reals]] = {}  # of the buffers of results, by peer
        self._early: list[Result | Report] = []
        """What came while nobody asked."""
        self._iteration = 0
        self._next_look = 0.0
        self._missing: set[int] = set()
        """Ranks that had ended at the last look. What they said before is read by the next one."""
        self._stopped = self._released = False
        self._refusal = ""
        """Why a worker cannot be worked with."""
        self._intercomms: list[MPI.Intercomm] = []  # of workers that have just been started
        self._hiring: list[threading.Thread] = []
        for rank in range(1, comm.size):
            self._add(comm, rank)
        self._groups = [slice(0, len(self._requests))]
        """Receives of one communicator each: in another one ranks mean others."""

    def _add(self, comm: MPI.Comm, rank: int) -> int:
        number = len(self._peers)
        self._peers.append(Peer(comm, rank, lambda cause: self._lose(number, cause)))
        self._requests += [MPI.REQUEST_NULL] * 2
        self._posted += [False] * 2
        self._statuses += [MPI.Status(), MPI.Status()]
        self._buffers += [None, bytearray(REPORT_BYTES)]
        self._post(2 * number + 1)
        return number

    def _lose(self, number: int, cause: str) -> None:
        """Note that the process of a peer is gone."""
        if number not in self.lost:
            peer = self._peers[number]
            self.lost[number] = Report(
                number, peer.host, peer.received, 0.0, 0.0, self._iteration, cause
            )
            self._early.append(self.lost[number])

    def clock(self) -> float:
        return monotonic()

    def plan(self, peer: int, plan: Plan) -> None:
        target = self._peers[peer]
        if self._buffers[2 * peer] is None:
            size = result_size(plan.features, plan.dtype)
            self._buffers[2 * peer] = np.empty(size, plan.dtype)
            self._parts[peer] = result_parts(self._buffers[2 * peer])
            self._post(2 * peer)
        target.plan, target.rows = plan, 0
        target.command(Command.PLAN)
        target.send(json.dumps(asdict(plan)).encode(), PLAN)

    def piece(self, peer: int, start: int, X: Reals | SparseRows, y: Reals | None) -> None:
        pause = Pause(WORKER_PAUSE)
        while sum(each.unsent() for each in self._peers) > DATA_IN_FLIGHT:
            self._early += self._collect()
            pause()
        target = self._peers[peer]
        rows = X.height if isinstance(X, SparseRows) else X.shape[1]
        if peer in self.lost:  # also where it has only failed: then it drops what comes
            target.rows = start + rows
            return
        for array in X.arrays if isinstance(X, SparseRows) else [X]:
            target.send(array, DATA)
        if y is not None:
            target.send(y, DATA)
        target.rows = start + rows

    def broadcast(self, point: Point, peers: Iterable[int]) -> None:
        self._iteration = point.iteration
        message = point_word(point)
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

    def wait_for(self, condition: Callable[[], bool], seconds: float = inf) -> bool:
        deadline, pause = monotonic() + seconds, Pause(WORKER_PAUSE)
        while not condition():
            if self.interrupted or monotonic() >= deadline:
                return False
            self._early += self._collect()
            pause()
        return True

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
        if self._refusal and not self._stopped:
            raise UsageError(self._refusal)
        self._look()
        return [each for group in self._groups for each in self._test(group)]

    def _test(self, group: slice) -> list[tuple[int, int]]:
        some, requests, statuses = (
            MPI.Request.Testsome,
            self._requests[group],
            self._statuses[group],
        )
        try:
            # one call seldom completes a message that has just arrived
            indices = some(requests, statuses) or some(requests, statuses) or []
        except MPI.Exception:
            return self._salvage(group)
        arrived = []
        for position, status in zip(indices, statuses, strict=False):
            index = group.start + position
            self._posted[index] = False
            if not index % 2:
                self._peers[index // 2].received += 1
            self._peers[index // 2].silent = 0.0
            arrived.append((index, status.Get_count(MPI.BYTE)))
            status.source = NOBODY
        return arrived

    def _look(self) -> None:
        """Notice, from time to time, that processes have ended without a signal, or are silent."""
        now = monotonic()
        if now < self._next_look:
            return
        # not more than that has been listened: this process may have been busy, or stopped
        passed = min(now - self._next_look + LOOK_SECONDS, 2 * LOOK_SECONDS)
        visible = any(peer.visible for peer in self._peers)
        # MPI does not tell of one that is killed at the very end of MPI_Init
        unheard = any(not peer.host and not peer.gone for peer in self._peers)
        lost = lost_here(world().size) if unheard else set()
        for peer in self._peers:
            peer.look(visible, lost & self._missing)
            if not self._stopped and self.silence < inf:
                peer.ping(passed)
                if peer.silent > self.silence:
                    peer.give_up(f"no sign of life for {self.silence:g} s (--silence)")
        self._missing = lost
        self._next_look = now + LOOK_SECONDS

    def _salvage(self, group: slice) -> list[tuple[int, int]]:
        """As `_test`, where a peer has been lost.

        The indices are gone with the exception: they are those of requests that have become null,
        and not every one of them has a status.
        """
        arrived, statuses = [], self._statuses[group]
        for index in range(group.start, group.stop):
            if not self._posted[index] or self._requests[index] != MPI.REQUEST_NULL:
                continue
            self._posted[index] = False
            peer = self._peers[index // 2]
            tag = REPORT if index % 2 else RESULT
            mine = [status for status in statuses if status.source == peer.rank]
            exact = [status for status in mine if status.tag == tag]
            classes = {MPI.Get_error_class(status.error) for status in mine}
            too_long = any(
                MPI.Get_error_class(status.error) == MPI.ERR_TRUNCATE for status in exact
            )
            lost = not exact or not classes <= {MPI.SUCCESS, MPI.ERR_TRUNCATE}
            if lost:
                peer.fail()
            else:
                peer.received += 1 - index % 2
                arrived.append((index, 0 if too_long else exact[0].Get_count(MPI.BYTE)))
        for status in statuses:
            status.error, status.source = 0, NOBODY
        return arrived

    def _read(self, index: int, length: int, now: float) -> Result | Report | None:
        number, buffer = index // 2, self._buffers[index]
        peer = self._peers[number]
        if not index % 2:
            if peer.unreachable:  # what it has sent in time comes too late all the same
                return None
            whole = length == buffer.nbytes
            parts = (
                self._parts[number] if whole else result_parts(buffer[: length // buffer.itemsize])
            )
            return read_result(number, now, *parts)
        fields = json.loads(bytes(buffer[:length]))
        if isinstance(fields[0], str):  # a report begins with a number
            greeting = Greeting(*fields[: len(Greeting._fields)])
            if greeting.version != __version__:
                self._refusal = (
                    f"rank {number + 1} on {greeting.host} runs coded_dgd {greeting.version}, and "
                    f"rank 0 on {self.host} {__version__}: install the same version on all hosts"
                )
            peer.greetings.append(greeting)
            peer.host, peer.pid = greeting.host, greeting.pid
            peer.visible = is_here(peer.host, peer.pid)
            return None
        if len(fields) == len(Holding._fields):
            holding = Holding(*fields)
            self.holding[number, holding.lane] = holding
            return None
        report = peer.report = Report(*fields)._replace(peer=number)
        if report.failure is not None and number not in self.lost:
            self.lost[number] = report
            return report
        return None

    def _post(self, index: int) -> None:
        peer = self._peers[index // 2]
        if index % 2 and peer.report is not None:
            return  # a report is the last one
        tag = REPORT if index % 2 else RESULT
        self._requests[index] = peer.listen(self._buffers[index], tag)
        self._posted[index] = not peer.gone

    def host_of(self, peer: int) -> str:
        return self._peers[peer].host

    def cores_of(self, peer: int) -> int:
        greetings = self._peers[peer].greetings
        return greetings[-1].cores if greetings else 1

    def greeting(self, peer: int, timeout: float) -> tuple[Greeting, float, float] | None:
        """Ask a peer who it is; None where it does not answer within `timeout` seconds.

        Returns
        -------
        greeting : Greeting
        offset : float
            Seconds by which the clock of its host is ahead of that of this one.
        uncertainty : float
            Of that: half the time that the answer took.
        """
        target, deadline = self._peers[peer], monotonic() + timeout
        for expected in (1, 2):  # the first it has sent unasked, at a time of its own
            asked = time()
            if expected == 2:
                target.command(Command.GREET)
            pause = Pause(MASTER_PAUSE)
            while len(target.greetings) < expected:
                if target.gone or monotonic() >= deadline:
                    return None
                self._early += self._collect()
                pause()
        answered, last = time(), target.greetings[-1]
        return last, last.clock - (asked + answered) / 2, (answered - asked) / 2

    def hire(self) -> None:
        self._hiring.append(threading.Thread(target=self._spawn, daemon=True))
        self._hiring[-1].start()

    def _spawn(self) -> None:
        """Start a worker, and take it on once it has said who it is.

        Of the loss of one that has not spoken yet MPI tells nothing.
        """
        arguments = ["-m", "coded_dgd.engine.hired", str(threads().number)]
        pause = Pause(WORKER_PAUSE)
        try:
            comm = MPI.COMM_SELF.Spawn(sys.executable, arguments, maxprocs=1)
            comm.Set_errhandler(MPI.ERRORS_RETURN)
            while not comm.Iprobe(0, REPORT):
                pause()
        except MPI.Exception as error:
            print(f"coded-dgd: no new worker has started: {error}", file=sys.stderr)
        else:
            self._intercomms.append(comm)

    def hired(self) -> list[int]:
        hired = []
        while self._intercomms:
            hired.append(self._add(self._intercomms.pop(), 0))
            self._groups.append(slice(len(self._requests) - 2, len(self._requests)))
        return hired

    def stop(self, timeout: float) -> tuple[list[Report], int]:
        if not self._stopped:
            self._stopped = True
            deadline = monotonic() + timeout
            for thread in self._hiring:  # whoever is still being started has to be told, too
                thread.join(max(0.0, deadline - monotonic()))
            self.hired()
            for peer in self._peers:
                if not peer.complete:
                    peer.send(np.empty(0), DATA)
                peer.command(Command.STOP)
            before = sum(peer.received for peer in self._peers)
            for index in range(len(self._requests)):
                if not self._posted[index] and self._buffers[index] is not None:
                    self._post(index)
            pause = Pause(WORKER_PAUSE)
            while not self._drained() and monotonic() < deadline:
                self._collect()
                for peer in self._peers:
                    peer.advance()
                pause()
            for number, peer in enumerate(self._peers):
                if (rows := peer.marks(deadline)) is not None:
                    self.worker_marks[number] = Marked(peer.host, rows)
            drained = sum(peer.received for peer in self._peers) - before
        else:
            drained = 0
        return [peer.report for peer in self._peers if peer.report], drained

    @property
    def hard(self) -> bool:
        """Whether ranks have to leave without MPI_Finalize, which may hang where one is gone."""
        return (self._hard and fault_tolerant()) or any(peer.gone for peer in self._peers)

    def _release(self) -> None:
        """Let all leave, once everything is written: mpiexec may not wait for this process.

        Where a process has ended without a signal it counts one too many, and kills the last, if
        need be before it has passed on what that has printed.
        """
        if self._released:
            return
        self._released = True
        sys.stdout.flush()
        sys.stderr.flush()
        if any(peer.vanished for peer in self._peers):
            sleep(FORWARD_SECONDS)
        for index, request in enumerate(self._requests):
            if request != MPI.REQUEST_NULL:
                request.Cancel()
                try:
                    request.Wait()
                except MPI.Exception:
                    self._peers[index // 2].fail()
        hard = self.hard
        deadline, pause = monotonic() + STOP_SECONDS, Pause(WORKER_PAUSE)
        for peer in self._peers:
            if peer.unreachable:
                peer.dismiss()
            elif not peer.gone:
                peer.command(Command.RELEASE, hard)
                if hard:
                    peer.see_off(min(deadline, monotonic() + DEPARTURE_SECONDS))
        while any(peer.busy for peer in self._peers) and monotonic() < deadline:
            self._look()
            pause()
        for peer in self._peers:
            if peer.busy and not peer.unreachable:
                peer.give_up(SILENT_AT_END)

    def stop_or_abort(self, code: int = 0) -> None:
        """Stop the workers and let them leave; kill those that do not answer.

        Where that cannot be done the job is ended; then the exit code is what mpiexec makes of it.
        """
        self.stop(STOP_SECONDS)
        silent = [peer for peer in self._peers if not peer.drained]
        if silent and not (fault_tolerant() and all(peer.host for peer in silent)):
            self._tell(silent, "did not stop: the job is aborted")
            if fault_tolerant() and end_job():
                sleep(STOP_SECONDS)
            world().Abort(code)
        for peer in silent:
            peer.give_up(SILENT_AT_END)
        self._tell([peer for peer in silent if not peer.unreachable], "did not stop and is killed")
        self._release()
        away = [peer for peer in self._peers if peer.unreachable]
        self._tell(away, "cannot be reached: the job is ended")
        if away and not end_job():
            world().Abort(code)

    def _tell(self, peers: list[Peer], what: str) -> None:
        if peers:
            numbers = ranks(number + 1 for number, peer in enumerate(self._peers) if peer in peers)
            print(f"coded-dgd: rank {numbers} {what}", file=sys.stderr, flush=True)

    def end(self, code: int) -> None:
        """Leave with this exit code, at once where MPI_Finalize cannot be trusted.

        The launcher's script learns of it first: mpiexec may not end, or lose the code.
        """
        tell_launcher("exit", str(code))
        self.stop_or_abort(code)
        if self.hard:
            leave(code)

    def _drained(self) -> bool:
        return all(peer.drained for peer in self._peers)


@lru_cache(maxsize=1)
def master() -> MPIMaster:
    """Return the one master of this process."""
    return MPIMaster()
