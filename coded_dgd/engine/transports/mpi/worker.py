"""A worker rank's connection to the master."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd import __version__
from coded_dgd.engine.pool import Pool
from coded_dgd.engine.process import cores
from coded_dgd.engine.protocol import (
    Command,
    Floats,
    Greeting,
    Holding,
    Plan,
    Point,
    Reals,
    Report,
)
from coded_dgd.engine.share import Share
from coded_dgd.engine.transports.mpi.library import (
    COMMAND,
    DATA,
    MARKS,
    MPI,
    PING,
    PLAN,
    POINT,
    REPORT,
    RESULT,
    WORKER_PAUSE,
    Pause,
    leave,
    world,
)
from coded_dgd.engine.worker import Worker
from coded_dgd.problems.objectives import Objective

if TYPE_CHECKING:
    import logging

    from coded_dgd.problems.sparse import SparseRows

NOTHING = np.empty(0)


class MPIWorker:
    """What a worker rank says to rank 0 and hears from it.

    Parameters
    ----------
    comm : MPI.Comm, optional
        COMM_WORLD by default; for a worker that was started later, the one to its parent.
    """

    def __init__(self, comm: MPI.Comm | None = None) -> None:
        self._comm = world() if comm is None else comm
        self._sending: list[tuple[MPI.Request, Any]] = []
        self._word = np.zeros(2, np.int64)
        self._buffer = np.empty(0)
        # what comes from the master: commands, and points once their length is known
        self._requests = [self._comm.Irecv(self._word, 0, COMMAND), MPI.REQUEST_NULL]
        self._held: Point | None = None
        self._ping = self._comm.Irecv(NOTHING, 0, PING)
        self.hard = False
        """Whether to leave without MPI_Finalize, as the master says with RELEASE."""
        self.log: logging.Logger | None = None
        """Of this process, where a plan asks for one."""
        self.greet()

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        """Call MPI; where the master is gone there is nothing left to do."""
        try:
            return call(*arguments)
        except MPI.Exception:
            leave(0 if self._released() else 1)

    def greet(self) -> None:
        """Say who this is."""
        self._send_text(Greeting(socket.gethostname(), os.getpid(), cores(), time(), __version__))

    def _answer(self) -> None:
        """Receive what the master has sent only to see that it is received."""
        if self._guarded(self._ping.Test):
            self._ping = self._guarded(self._comm.Irecv, NOTHING, 0, PING)

    def _released(self) -> bool:
        """Whether the master's last word is here."""
        try:
            return self._requests[0].Test() and self._word[0] == Command.RELEASE
        except MPI.Exception:
            return False

    def take_share(self, worker: Worker, objective: Objective | None) -> bool:
        """Take a plan and its data; return False where the master gives up half-way."""
        text = bytearray(self._probe(PLAN, MPI.BYTE))
        self._guarded(self._comm.Recv, text, 0, PLAN)
        plan = Plan.from_json(text)
        if plan.log:
            self._begin_log(plan)
        if self._requests[1] == MPI.REQUEST_NULL:
            self._buffer = np.empty(2 + plan.features)
            self._requests[1] = self._comm.Irecv(self._buffer, 0, POINT)
        pool = None
        if plan.pooled:
            try:
                pool = Pool.open(plan)
            except OSError:
                if plan.attaches:
                    self._send_text(Holding(plan.lane, False, None))
                    return True
        share = Share(plan, objective, pool)
        pieces = plan.recipe.pieces() if plan.recipe else self._pieces(plan)
        for start, X, y in () if plan.attaches else pieces:
            if self._given_up(X):
                return False
            share.load(start, X, y)
        share.warm_up()
        worker.take(share)
        if plan.awaited:
            self._send_text(Holding(plan.lane, True, pool.path if pool else None))
        return True

    def _pieces(self, plan: Plan) -> Iterator[tuple[int, Reals | SparseRows, Reals | None]]:
        """Receive the data of a plan."""
        start = 0
        while plan.tasks and start < plan.height:
            X, rows = self._rows(plan)
            y = self._array(plan.dtype).reshape(plan.coming, -1) if plan.labels and rows else None
            yield start, X, y
            start += rows

    def _rows(self, plan: Plan) -> tuple[Reals | SparseRows, int]:
        """Receive the same rows of every block, and how many of each; none if that is the end."""
        if plan.kernel != "sparse":
            X = self._array(plan.dtype).reshape(plan.coming, -1, plan.features)
            return X, X.shape[1]
        from coded_dgd.problems.sparse import SparseRows

        starts = self._array("int64")
        if not len(starts):
            return np.empty(0), 0
        columns, values = self._array("int32"), self._array(plan.dtype)
        rows = SparseRows(starts, columns, values, plan.tasks, plan.features)
        return rows, rows.height

    def _array(self, dtype: str) -> NDArray[Any]:
        """Receive the next array of the data."""
        code = MPI.Datatype.fromcode(np.dtype(dtype).char)
        array = np.empty(self._probe(DATA, code), dtype)
        self._guarded(self._comm.Recv, array, 0, DATA)
        return array

    def _given_up(self, X: Reals | SparseRows) -> bool:
        """Whether the master has sent an empty piece, or has said meanwhile that it stops."""
        self._answer()
        stopped = self._guarded(self._requests[0].Get_status) and self._word[0] == Command.STOP
        return not X.size or stopped

    def _begin_log(self, plan: Plan) -> None:
        if self.log is None:
            from coded_dgd.engine.rank_log import of_worker

            self.log = of_worker(plan)
        self.log.debug("%s", plan)

    def discard_share(self) -> None:
        """Take, and drop, what is under way of plans and data: nobody will want it any more."""
        for tag in (PLAN, DATA):
            status = MPI.Status()
            while self._guarded(self._comm.Iprobe, 0, tag, status):
                self._guarded(self._comm.Recv, bytearray(status.Get_count(MPI.BYTE)), 0, tag)

    def _probe(self, tag: int, datatype: MPI.Datatype) -> int:
        """Wait for a message of that tag; return how many items it holds."""
        status = MPI.Status()
        pause = Pause(WORKER_PAUSE)
        while not self._guarded(self._comm.Iprobe, 0, tag, status):
            self._answer()
            pause()
        return int(status.Get_count(datatype))

    def wait(self, deadline: float) -> Point | Command | None:
        """Wait for a command or a newer point, at most until `deadline`."""
        if self._held is not None:
            if self._guarded(self._requests[0].Test):
                return self._command()
            held, self._held = self._held, None
            return held
        pause, longest = WORKER_PAUSE
        while True:
            self._answer()  # one call seldom completes a message that has just arrived
            index, arrived = self._guarded(MPI.Request.Testany, self._requests)
            if not arrived:
                remaining = deadline - monotonic()
                if remaining <= 0:
                    return None
                sleep(min(pause, remaining))
                pause = min(2 * pause, longest)
            elif index == 0:
                return self._command()
            else:
                point = self._newest()
                # Whatever the master has said before it sent this point comes first.
                if self._guarded(self._requests[0].Test):
                    self._held = point
                    return self._command()
                return point

    def _command(self) -> Command:
        """Take the command that has arrived."""
        command, argument = Command(self._word[0]), bool(self._word[1])
        if command is Command.RELEASE:
            self.hard = argument
            for request in (self._requests[1], self._ping):
                if request != MPI.REQUEST_NULL:
                    self._guarded(request.Cancel)
                    self._guarded(request.Wait)  # the master may have left by now
        else:
            self._requests[0] = self._comm.Irecv(self._word, 0, COMMAND)
        return command

    def _newest(self) -> Point:
        """Take the point that has arrived, or the newest if there are others behind it."""
        while True:
            lane, iteration = self._buffer[:2].tolist()
            point = Point(int(lane), int(iteration), self._buffer[2:].copy())
            request = self._requests[1] = self._comm.Irecv(self._buffer, 0, POINT)
            if not self._guarded(request.Test):
                return point

    def send(self, message: Reals) -> None:
        """Send a result without waiting."""
        self._sending = [item for item in self._sending if not self._guarded(item[0].Test)]
        self._sending.append((self._guarded(self._comm.Isend, message, 0, RESULT), message))

    def _send_text(self, value: Any) -> None:
        text = json.dumps(value).encode()
        self._sending.append((self._guarded(self._comm.Isend, text, 0, REPORT), text))

    def report(self, report: Report, marks: Floats) -> None:
        """Send the last word, and return once everything is out."""
        self._send_text(report)
        if len(marks):
            self._sending.append((self._guarded(self._comm.Isend, marks, 0, MARKS), marks))
        pause = Pause(WORKER_PAUSE)
        while not all(self._guarded(request.Test) for request, _ in self._sending):
            pause()
