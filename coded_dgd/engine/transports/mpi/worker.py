"""A worker rank's connection to the master."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from os import sched_yield
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from coded_dgd._version import __version__
from coded_dgd.engine.kinds_of_blocks import forms
from coded_dgd.engine.protocol import (
    SHORT,
    Assignment,
    Command,
    Control,
    Floats,
    Greeting,
    News,
    Point,
    Ready,
    Reals,
    Release,
    Report,
    Text,
    control_buffer,
    read_control,
    read_error,
)
from coded_dgd.engine.shard import Shard
from coded_dgd.engine.shared_blocks import SharedBlocks
from coded_dgd.engine.transports.mpi.library import (
    ASSIGNMENT,
    CONTROL,
    DATA,
    ERROR,
    EVENTS,
    MPI,
    REPORT,
    WORKER_PAUSE,
    Pause,
    yield_in_tests,
)
from coded_dgd.engine.transports.mpi.outbox import Outbox
from coded_dgd.engine.transports.mpi.rendezvous import Assembly
from coded_dgd.engine.worker import Worker
from coded_dgd.errors import CodedDGDError
from coded_dgd.host.leaving import leave
from coded_dgd.host.process import cores, host_name
from coded_dgd.problems.objectives import Objective

FIRST_SLEEP = 0.75
"""First sleep of a wait, as a share of the time that the last wait slept."""

NEXT_SLEEP = 0.4
"""Any other sleep of a wait, as a share of the time that the wait has slept so far."""

LEAVE_SECONDS = 3.0
"""Seconds for the launcher or the guardian to end a job that has lost rank 0, with a message."""

if TYPE_CHECKING:
    import logging

    from coded_dgd.problems.partition import Memory
    from coded_dgd.problems.sparse import SparseRows


class MPIWorker:
    """The messages between a worker rank and rank 0, from the worker's side.

    Parameters
    ----------
    comm : MPI.Comm
        The communicator whose rank 0 is the master. A spawned worker uses the one to its parent.
    """

    def __init__(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self.outbox = Outbox(comm, self._leave)
        self._control = control_buffer()
        self._listening = comm.Recv_init(self._control, 0, CONTROL)
        """Persistent receive for control messages; inactive while a message waits in the buffer."""
        self._listens = False
        """Whether that receive is active."""
        self.hard = False
        """Whether to leave without MPI_Finalize, as the master's RELEASE says."""
        self.error: CodedDGDError | None = None
        """Error that the master has raised, known from RELEASE on."""
        self._heard_heartbeat = False
        self._slept = 0.0
        """Seconds that the last wait for a message slept."""
        self._yields_between_tasks = False
        self.log: logging.Logger | None = None
        """Log of this process, if the assignment names one."""
        self._listen()
        self.greet()

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        """Call an MPI function; leave if the master is gone."""
        try:
            return call(*arguments)
        except MPI.Exception:
            self._leave()

    def _leave(self) -> NoReturn:
        if self._released():
            leave(0)
        sleep(LEAVE_SECONDS)
        leave(1)

    def greet(self) -> None:
        """Send the greeting of this worker."""
        greeting = Greeting(host_name(), os.getpid(), cores(), time(), __version__)
        self._send_text(Text.GREETING, greeting)

    def await_master(self) -> None:
        """Wait for the first heartbeat of the master, which shows that it has arrived.

        Name the master if it is late, and end the job if it has ended.
        """
        assert isinstance(self._comm, MPI.Intracomm)
        waiting, pause = Assembly(self._comm), Pause(WORKER_PAUSE)
        while self._heard() is None and not self._heard_heartbeat:
            waiting.look([0])
            pause()

    def _listen(self) -> None:
        """Post the next receive for control messages, which overwrites the present one."""
        try:
            self._listening.Start()
        except MPI.Exception:
            self._leave()
        self._listens = True

    def _listen_for(self, longest: int) -> None:
        """Listen for control messages whose list has at most so many numbers."""
        self._control = control_buffer(longest)
        self._listening.Free()
        self._listening = self._guarded(self._comm.Recv_init, self._control, 0, CONTROL)
        self._listen()

    def _heard(self) -> Point | News | Command | None:
        """Return the control message that has arrived, if any; heartbeats are only received."""
        message = None
        try:
            while message is None and self._listening.Test():
                message = self._read()
        except MPI.Exception:
            self._leave()
        return message

    def _read(self) -> Point | News | Command | None:
        """Return the message in the buffer; None for a heartbeat, which the next may overwrite."""
        self._listens = False
        message = read_control(self._control)
        if isinstance(message, Command) and message.kind is Control.HEARTBEAT:
            self._heard_heartbeat = True
            self._listen()
            return None
        return message

    def _released(self) -> bool:
        """Return whether the master has released this worker."""
        try:
            while self._listening.Test():
                message = read_control(self._control)
                if isinstance(message, Command) and message.kind is Control.RELEASE:
                    return True
                self._listening.Start()
        except MPI.Exception:
            pass
        return False

    def take_shard(self, worker: Worker, objective: Objective | None) -> bool:
        """Receive an assignment and its data; return False if the master breaks off."""
        yield_in_tests(True)  # receives of data wait in MPI
        text = bytearray(self._probe(ASSIGNMENT, MPI.BYTE))
        self._guarded(self._comm.Recv, text, 0, ASSIGNMENT)
        assignment = Assignment.from_json(text)
        if assignment.log:
            self._begin_log(assignment)
        self._yields_between_tasks = assignment.surplus
        longest = max(assignment.layout.parameters, assignment.tasks, len(self._control) - SHORT)
        self._listen_for(longest)
        shared = None
        if assignment.shared:
            try:
                shared = SharedBlocks.open(assignment.shared, forms(assignment))
            except OSError:
                if assignment.attaches:
                    self._send_text(Text.READY, Ready(assignment.code_id, False, None))
                    return True
        shard = Shard(assignment, objective, shared)
        pieces = (
            assignment.local_encoding.pieces(memory=shard.memory)
            if assignment.local_encoding
            else self._pieces(assignment, shard.memory)
        )
        for start, X, y in () if assignment.attaches else pieces:
            if self._given_up(X):
                return False
            shard.load(start, X, y)
        shard.warm_up()
        worker.take(shard)
        if assignment.reports_ready:
            self._send_text(
                Text.READY, Ready(assignment.code_id, True, shared.path if shared else None)
            )
        yield_in_tests(False)
        return True

    def _pieces(
        self, assignment: Assignment, memory: Memory | None
    ) -> Iterator[tuple[int, Reals | SparseRows, Reals | None]]:
        """Receive the data of an assignment piece by piece, into this memory if it is given."""
        start = 0
        while assignment.tasks and start < assignment.height:
            X: Reals | SparseRows
            if assignment.kernel == "sparse":
                X, rows = self._sparse_rows(assignment)
            else:
                X = self._rows(assignment, start, memory)
                rows = X.shape[1]
            y = None
            if assignment.labels_shape and rows:
                *channels, _ = assignment.labels_shape
                y = self._array(assignment.layout.dtype).reshape(assignment.coming, *channels, -1)
            yield start, X, y
            start += rows

    def _rows(self, assignment: Assignment, start: int, memory: Memory | None) -> Reals:
        """Receive rows `start`, ... of every block, into this memory if it is given.

        There are none at the end of the data. Else they come in one message if they are all rows of
        the blocks, and in one message for each block if not, see `MPIMaster.piece`.
        """
        dtype = assignment.layout.dtype
        code = MPI.Datatype.fromcode(np.dtype(dtype).char)
        number = self._probe(DATA, code)
        whole = number == assignment.coming * assignment.height * assignment.columns
        rows = assignment.height if whole else number // assignment.columns
        X: Reals
        if memory:
            X, _ = memory(start, start + rows)
        else:
            X = np.empty((assignment.coming, rows, assignment.columns), dtype)
        for each in X if rows and not whole else [X]:
            self._probe(DATA, code)
            self._guarded(self._comm.Recv, each, 0, DATA)
        return X

    def _sparse_rows(self, assignment: Assignment) -> tuple[Reals | SparseRows, int]:
        """Receive the same rows of every block, and their number; none at the end of the data."""
        from coded_dgd.problems.sparse import SparseRows

        starts = self._array("int64")
        if not len(starts):
            return np.empty(0), 0
        columns, values = self._array("int32"), self._array(assignment.layout.dtype)
        rows = SparseRows(starts, columns, values, assignment.coming, assignment.columns)
        return rows, rows.height

    def _array(self, dtype: str) -> NDArray[Any]:
        """Receive the next array of the data."""
        code = MPI.Datatype.fromcode(np.dtype(dtype).char)
        array = np.empty(self._probe(DATA, code), dtype)
        self._guarded(self._comm.Recv, array, 0, DATA)
        return array

    def _given_up(self, X: Reals | SparseRows) -> bool:
        """Return whether the master has sent an empty piece, or the command to stop."""
        message = self._heard()
        stopped = isinstance(message, Command) and message.kind is Control.STOP
        return not X.size or stopped

    def _begin_log(self, assignment: Assignment) -> None:
        if self.log is None:
            from coded_dgd.engine.rank_log import of_worker

            with suppress(OSError):  # a worker whose log cannot be written can still work
                self.log = of_worker(assignment)
        if self.log:
            self.log.debug("%s", assignment)

    def discard_shard(self) -> None:
        """Receive and discard the assignments and data on their way, which are no longer needed."""
        for tag in (ASSIGNMENT, DATA):
            status = MPI.Status()
            while self._guarded(self._comm.Iprobe, 0, tag, status):
                self._guarded(self._comm.Recv, bytearray(status.Get_count(MPI.BYTE)), 0, tag)
        # `take_shard` may have been interrupted before it posted the next receive
        word = MPI.Status()
        if not self._listens and self._guarded(self._comm.Iprobe, 0, CONTROL, word):
            self._listen_for(word.Get_count(MPI.DOUBLE))

    def _probe(self, tag: int, datatype: MPI.Datatype) -> int:
        """Wait for a message of that tag; return the number of its items."""
        status = MPI.Status()
        pause = Pause(WORKER_PAUSE)
        while not self._guarded(self._comm.Iprobe, 0, tag, status):
            self._heard()
            pause()
        return int(status.Get_count(datatype))

    def wait(self, deadline: float) -> Point | News | Control | None:
        """Wait until `deadline` for a control message; return the newest of several points.

        If nothing is here, other processes get the core once before this one sleeps. Where not all
        messages are needed they get it between two tasks, too: if ranks outnumber cores, rank 0 may
        then have enough before this worker computes what is not needed.
        """
        message, yielded, slept = None, False, 0.0
        shortest, longest = WORKER_PAUSE
        pause = min(max(FIRST_SLEEP * self._slept, shortest), longest)
        while message is None:
            try:
                while not self._listening.Test():
                    remaining = deadline - monotonic() if deadline < inf else inf
                    if remaining <= 0 and (yielded or not self._yields_between_tasks):
                        return None
                    if not yielded:
                        yielded = True
                        sched_yield()
                        continue
                    sleep(min(pause, remaining))
                    slept += pause
                    pause = min(max(NEXT_SLEEP * slept, shortest), longest)
            except MPI.Exception:
                self._leave()
            message = self._read()
        self._slept = slept
        if isinstance(message, Point):
            self._listen()
            return message if yielded else self._newest(message)
        if not isinstance(message, Command):
            self._listen()
            return message
        if message.kind is Control.RELEASE:
            self._listening.Free()  # it would keep the communicator alive
            self.outbox.close()
            self.hard = bool(message.argument & Release.HARD)
            if message.argument & Release.FAILED:
                text = bytearray(self._probe(ERROR, MPI.BYTE))
                self._guarded(self._comm.Recv, text, 0, ERROR)
                self.error = read_error(text)
        elif message.kind is not Control.ASSIGNMENT:  # after an assignment messages may be longer
            self._listen()
        return message.kind

    def _newest(self, point: Point) -> Point:
        """Return the newest point: `point`, or the last point behind it in the queue.

        After a wait there is no need to look: a second point has hardly had time.
        """
        while isinstance(message := self._heard(), Point):
            self._listen()
            point = message
        return point

    def _send_text(self, kind: Text, value: tuple[Any, ...]) -> None:
        self.outbox.post(json.dumps([kind, *value]).encode(), REPORT)

    def report(self, report: Report, events: Floats) -> None:
        """Send the final report and the events, and return once everything is sent."""
        yield_in_tests(True)
        self._send_text(Text.REPORT, report)
        if len(events):
            self.outbox.post(events, EVENTS)
        pause = Pause(WORKER_PAUSE)
        while not self.outbox.is_sent():
            pause()
