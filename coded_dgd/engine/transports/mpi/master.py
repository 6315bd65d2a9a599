"""Rank 0's connections to the workers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from math import inf
from time import monotonic, sleep, time

import numpy as np

from coded_dgd import streams
from coded_dgd._version import __version__
from coded_dgd.engine.events import RankEvents
from coded_dgd.engine.losses import ranks
from coded_dgd.engine.protocol import (
    Assignment,
    Control,
    Greeting,
    News,
    Point,
    Ready,
    Reals,
    Release,
    Report,
    Text,
    error_text,
)
from coded_dgd.engine.transports.base import STOP_SECONDS, Batch, Transport
from coded_dgd.engine.transports.mpi.inbox import Inbox
from coded_dgd.engine.transports.mpi.library import (
    ASSIGNMENT,
    DATA,
    ERROR,
    FORWARD_SECONDS,
    MASTER_PAUSE,
    MPI,
    REPORT,
    WORKER_PAUSE,
    Pause,
    fault_tolerant,
    world,
    yield_in_tests,
)
from coded_dgd.engine.transports.mpi.peer import Peer
from coded_dgd.engine.transports.mpi.points import Points
from coded_dgd.engine.transports.mpi.rendezvous import Assembly
from coded_dgd.errors import UsageError
from coded_dgd.host.leaving import leave
from coded_dgd.host.open_mpi import end_job, is_here, lost_here
from coded_dgd.host.process import host_name, tell_launcher
from coded_dgd.host.threads import threads
from coded_dgd.problems.partition import DATA_IN_FLIGHT
from coded_dgd.problems.sparse import SparseRows

LOOK_SECONDS = 1.0
"""Seconds between two checks of the processes themselves."""

DEPARTURE_SECONDS = 0.1
"""Longest wait in seconds for one rank to be gone before the next leaves without MPI_Finalize.
Open MPI's mpiexec reports each departure to all others, and aborts if too many leave at once.
"""

SILENT_AT_END = "it did not stop"


class MPIMaster(Transport):
    """Rank 0's connections to the workers: peers 0..size-2 are ranks 1..size-1.

    Parameters
    ----------
    comm : MPI.Intracomm
        Communicator on which no other code sends.
    hard : bool
        Whether ranks may leave without MPI_Finalize even if none is lost by then.
    """

    shares_memory = True

    def __init__(self, comm: MPI.Intracomm, hard: bool = True) -> None:
        super().__init__()
        self._hard, self._comm = hard, comm
        self.error: BaseException | None = None
        """Error that the workers raise once they are released."""
        self.workers = comm.size - 1
        self.host = host_name()
        self._peers: list[Peer] = []
        self._points = Points(self._peers)
        self._inbox = Inbox(self.payloads, self._read_text)
        self._iteration = 0
        self._next_look = 0.0
        everyone = list(range(comm.size))
        self._world = comm.group.Translate_ranks(everyone, MPI.COMM_WORLD.group)
        self._missing: set[int] = set()
        """Ranks of COMM_WORLD that had ended at the last check.

        What they sent before is read before the next check.
        """
        self._stopped = self._released = False
        self._refusal = ""
        """Reason why the job cannot work with one of its workers."""
        self._intercomms: list[MPI.Intercomm] = []  # to newly spawned workers
        self._spawning: list[threading.Thread] = []
        self._add(comm, range(1, comm.size))

    def _add(self, comm: MPI.Comm, ranks_of_peers: Iterable[int]) -> list[int]:
        """Add peers that are ranks of a communicator; return their numbers."""
        first = len(self._peers)
        for number, rank in enumerate(ranks_of_peers, start=first):
            self._peers.append(Peer(comm, rank, partial(self._lose, number)))
        self._inbox.add(self._peers[first:])
        return list(range(first, len(self._peers)))

    def _lose(self, number: int, cause: str) -> None:
        """Note that the process of a peer is gone."""
        if number not in self.lost:
            peer = self._peers[number]
            self.lost[number] = Report(
                number, peer.host, peer.received, 0.0, 0.0, self._iteration, cause
            )
            self._inbox.arrived.losses.append(self.lost[number])

    def assemble(self) -> None:
        """Wait until every worker has arrived or is lost, and name the late ones."""
        for peer in self._peers:
            peer.command(Control.HEARTBEAT)
        waiting, pause = Assembly(self._comm), Pause(WORKER_PAUSE)
        while late := [peer.rank for peer in self._peers if not peer.greetings and not peer.gone]:
            self._collect()
            waiting.look(late)
            pause()

    def clock(self) -> float:
        return monotonic()

    def assign(self, peer: int, assignment: Assignment) -> None:
        target = self._peers[peer]
        # all of an iteration and of the one before, and what may come next
        rows = 2 * self.workers * (assignment.payloads + 1)
        self._inbox.expect_results(peer, assignment.layout.whole, rows)
        target.assignment, target.rows = assignment, 0
        target.command(Control.ASSIGNMENT)
        target.send(assignment.to_json(), ASSIGNMENT)

    def piece(self, peer: int, start: int, X: Reals | SparseRows, y: Reals | None) -> None:
        target = self._peers[peer]
        target.look_at_sends()  # this also lets MPI go on with those to other peers
        pause = Pause(WORKER_PAUSE)
        while self._unsent() > DATA_IN_FLIGHT:
            for each in self._peers:
                each.look_at_sends()
            if self._unsent() > DATA_IN_FLIGHT:
                self._collect()
                pause()
        rows = X.height if isinstance(X, SparseRows) else X.shape[1]
        if peer in self.lost:  # also if it has only failed: then it discards what arrives
            target.rows = start + rows
            return
        for message in X.arrays if isinstance(X, SparseRows) else _messages(X, target):
            target.send(message, DATA)
        if y is not None:
            target.send(y, DATA)
        target.rows = start + rows

    def _unsent(self) -> int:
        """Return the largest number of bytes that may be in flight, without points."""
        return sum(each.unsent for each in self._peers)

    def broadcast(self, point: Point, peers: Iterable[int]) -> None:
        self._iteration = point.iteration
        self._points.post(point, [peer for peer in peers if peer not in self.lost])

    def tell(self, peer: int, news: News) -> None:
        if peer not in self.lost:
            self._points.tell(peer, news)

    def receive(self, until: float = inf, enough: int = 1) -> Batch:
        yield_in_tests(any(thread.is_alive() for thread in self._spawning))  # they wait in MPI
        try:
            return self._receive(until, enough)
        finally:
            yield_in_tests(True)

    def _receive(self, until: float, enough: int) -> Batch:
        shortest, longest = MASTER_PAUSE
        pause, looked = Pause((shortest if enough == 1 else longest, longest)), monotonic()
        self._collect(texts=False)
        while len(self._inbox.arrived.peers) < enough and not self._inbox.arrived.losses:
            now = monotonic()
            if self.interrupted or now >= until:
                break
            if self._inbox.arrived.peers and now >= looked + LOOK_SECONDS:
                break  # what has arrived may not be usable
            self._points.advance()
            if not (self.meanwhile and any(work() for work in self.meanwhile)):
                pause()
            self._collect(texts=False)
        return self._inbox.take()

    def wait_for(self, condition: Callable[[], bool], seconds: float = inf) -> bool:
        deadline, pause = monotonic() + seconds, Pause(WORKER_PAUSE)
        while not condition():
            if self.interrupted or monotonic() >= deadline:
                return False
            self._collect()
            pause()
        return True

    def _collect(self, texts: bool = True) -> None:
        """Receive what has arrived, and look after the processes from time to time."""
        if self._refusal and not self._stopped:
            raise UsageError(self._refusal)
        self._look()
        self._inbox.collect(texts)

    def _look(self) -> None:
        """Notice, once in a while, processes that have ended without a signal or are silent."""
        now = monotonic()
        if now < self._next_look:
            return
        # no longer silence has been observed: this process may have been busy, or stopped
        passed = min(now - self._next_look + LOOK_SECONDS, 2 * LOOK_SECONDS)
        visible = any(peer.visible for peer in self._peers)
        # MPI does not report a process killed at the very end of MPI_Init
        unheard = any(not peer.host and not peer.gone for peer in self._peers)
        lost = lost_here(world().size) if unheard else set()
        for number, peer in enumerate(self._peers):
            peer.note_life()
            here = number < self.workers and self._world[peer.rank] in lost & self._missing
            peer.look(visible, here)
            if not self._stopped and self.silence < inf:
                peer.heartbeat(passed)
                if peer.silent > self.silence:
                    peer.give_up(f"no sign of life for {self.silence:g} s (--silence)")
        self._missing = lost
        self._next_look = now + LOOK_SECONDS

    def _read_text(self, number: int, text: bytes) -> None:
        """Handle a text message of a peer."""
        peer = self._peers[number]
        peer.silent = 0.0
        kind, *fields = json.loads(text)
        if isinstance(kind, str):  # another version, whose greeting begins with its host
            kind, fields = Text.GREETING, [kind, *fields]
        if kind == Text.GREETING:
            greeting = Greeting(*fields[: len(Greeting._fields)])
            if greeting.version != __version__:
                self._refusal = (
                    f"rank {number + 1} on {greeting.host} runs coded_dgd {greeting.version}, and "
                    f"rank 0 on {self.host} {__version__}: install the same version on all hosts"
                )
            peer.greetings.append(greeting)
            peer.host, peer.pid = greeting.host, greeting.pid
            peer.visible = is_here(peer.host, peer.pid)
        elif kind == Text.READY:
            ready = Ready(*fields)
            self.ready[number, ready.code_id] = ready
        else:
            report = peer.report = Report(*fields)._replace(peer=number)
            if report.failure is not None and number not in self.lost:
                self.lost[number] = report
                self._inbox.arrived.losses.append(report)

    def host_of(self, peer: int) -> str:
        return self._peers[peer].host

    def cores_of(self, peer: int) -> int:
        greetings = self._peers[peer].greetings
        return greetings[-1].cores if greetings else 1

    def greeting(self, peer: int, timeout: float) -> tuple[Greeting, float, float] | None:
        """Return the answer of a peer to a request for its greeting; None after `timeout` seconds.

        Returns
        -------
        greeting : Greeting
        offset : float
            Seconds by which the clock of the peer's host is ahead of this host's clock.
        uncertainty : float
            Uncertainty of the offset in seconds: half the time that the answer took.
        """
        target, deadline = self._peers[peer], monotonic() + timeout
        for expected in (1, 2):  # it has sent the first one unasked, at a time of its own
            asked = time()
            if expected == 2:
                target.command(Control.GREET)
            pause = Pause(MASTER_PAUSE)
            while len(target.greetings) < expected:
                if target.gone or monotonic() >= deadline:
                    return None
                self._collect()
                pause()
        answered, last = time(), target.greetings[-1]
        return last, last.clock - (asked + answered) / 2, (answered - asked) / 2

    def spawn(self) -> None:
        self._spawning.append(threading.Thread(target=self._spawn, daemon=True))
        self._spawning[-1].start()

    def _spawn(self) -> None:
        """Spawn a worker, and add it once it has sent its greeting.

        MPI does not report the loss of a worker that has sent nothing yet.
        """
        arguments = ["-m", "coded_dgd.engine.spawned", str(threads().number)]
        pause = Pause(WORKER_PAUSE)
        try:
            comm = MPI.COMM_SELF.Spawn(sys.executable, arguments, maxprocs=1)
            comm.Set_errhandler(MPI.ERRORS_RETURN)
            while not comm.Iprobe(0, REPORT):
                pause()
        except MPI.Exception as error:
            print(f"coded-dgd: no new worker has started: {error}", file=streams.messages())
        else:
            self._intercomms.append(comm)

    def spawned(self) -> list[int]:
        spawned = []
        while self._intercomms:
            spawned += self._add(self._intercomms.pop(), [0])
        return spawned

    def stop(self, timeout: float) -> tuple[list[Report], int]:
        if not self._stopped:
            self._stopped = True
            deadline = monotonic() + timeout
            for thread in self._spawning:  # workers that are still starting must be stopped, too
                thread.join(max(0.0, deadline - monotonic()))
            self.spawned()
            for peer in self._peers:
                if not peer.complete:
                    peer.send(np.empty(0), DATA)
                peer.command(Control.STOP)
            before = sum(peer.received for peer in self._peers)
            self._inbox.post_all()
            pause = Pause(WORKER_PAUSE)
            while not self._drained() and monotonic() < deadline:
                self._collect()
                self.payloads.free(self._inbox.take().rows)
                self._points.advance()
                pause()
            for number, peer in enumerate(self._peers):
                if (rows := peer.events(deadline)) is not None:
                    self.worker_events[number] = RankEvents(peer.host, rows)
            drained = sum(peer.received for peer in self._peers) - before
        else:
            drained = 0
        return [peer.report for peer in self._peers if peer.report], drained

    @property
    def hard(self) -> bool:
        """Whether ranks must leave without MPI_Finalize, which may hang if one is gone."""
        return (self._hard and fault_tolerant()) or any(peer.gone for peer in self._peers)

    def _release(self) -> None:
        """Release all workers once everything is written, since mpiexec may not wait for this rank.

        If a process has ended without a signal, mpiexec counts one too many. It then kills the
        last process, perhaps before it has forwarded the output of that process.
        """
        if self._released:
            return
        self._released = True
        streams.flush()
        if any(peer.vanished for peer in self._peers):
            sleep(FORWARD_SECONDS)
        self._inbox.close()
        hard = self.hard
        how = Release.HARD * hard | Release.FAILED * (self.error is not None)
        deadline, pause = monotonic() + STOP_SECONDS, Pause(WORKER_PAUSE)
        for peer in self._peers:
            if peer.unreachable:
                peer.dismiss()
            elif not peer.gone:
                if self.error is not None:
                    peer.send(error_text(self.error, self.host), ERROR)
                peer.command(Control.RELEASE, how)
                if hard and self._hard:
                    peer.see_off(min(deadline, monotonic() + DEPARTURE_SECONDS))
        while any(peer.busy for peer in self._peers) and monotonic() < deadline:
            self._look()
            pause()
        for peer in self._peers:
            if peer.busy and not peer.unreachable:
                peer.give_up(SILENT_AT_END)
        self._points.close()

    def stop_or_abort(self, code: int = 0) -> None:
        """Stop and release the workers; kill workers that do not answer.

        If that fails, the job is ended, and mpiexec decides the exit code.
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
            print(f"coded-dgd: rank {numbers} {what}", file=streams.messages(), flush=True)

    def end(self, code: int) -> None:
        """Leave with this exit code, at once if MPI_Finalize may hang.

        The launcher's script is informed first: mpiexec may not end, or lose the code.
        """
        tell_launcher("exit", str(code))
        self.stop_or_abort(code)
        if self.hard:
            leave(code)

    def _drained(self) -> bool:
        return all(peer.drained for peer in self._peers)


def _messages(X: Reals, peer: Peer) -> Iterable[Reals]:
    """Return the messages with dense rows: one if they are all rows, else one for each block.

    The rows of a block are then received where the peer keeps the block.
    """
    assert peer.assignment is not None
    return [X] if X.shape[1] == peer.assignment.height else X


@lru_cache(maxsize=1)
def master() -> MPIMaster:
    """Return the one master of this process."""
    return MPIMaster(world())
