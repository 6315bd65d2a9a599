"""Master and workers in one process under a virtual clock: real arithmetic, ideal network."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from math import inf

from coded_dgd.engine.events import RankEvents
from coded_dgd.engine.protocol import Assignment, News, Point, Ready, Reals, Report
from coded_dgd.engine.shard import Shard
from coded_dgd.engine.transports.base import Batch, Transport
from coded_dgd.engine.worker import Signal, Wait, Worker
from coded_dgd.errors import Undecodable
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.sparse import SparseRows

HOST = "simulated"
LOSS = -1
"""Version number that marks the event of a lost peer."""


class SimulatedTransport(Transport):
    """An event heap: messages take no time, and tasks take exactly their injected delay.

    Events at the same instant happen in the order of the workers.

    Parameters
    ----------
    workers : int
    objective : Objective, optional
        By default the one that the assignment names.
    losses : mapping of int to float, optional
        Peers whose process is lost, with the instant of the loss.
    """

    def __init__(
        self,
        workers: int,
        objective: Objective | None = None,
        losses: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__()
        self.workers = 0
        self.host = HOST
        self._objective = objective
        self.now = 0.0
        self._workers: list[Worker] = []
        self._loops: list[Wait] = []
        self._version: list[int] = []
        self._assignments: list[Assignment | None] = []
        self._inbox = Batch()
        self._spawned: list[int] = []
        # instant, worker, version
        self._wakes = [(instant, peer, LOSS) for peer, instant in (losses or {}).items()]
        heapq.heapify(self._wakes)
        for _ in range(workers):
            self._add()
        self.workers = workers

    def _add(self) -> int:
        peer, worker = len(self._workers), Worker(self.clock)
        loop = worker.run(lambda message: self._deliver(peer, message))
        next(loop)
        self._workers.append(worker)
        self._loops.append(loop)
        self._version.append(0)
        self._assignments.append(None)
        return peer

    def clock(self) -> float:
        return self.now

    def set_clock(self, now: float) -> None:
        self.now = now

    def assign(self, peer: int, assignment: Assignment) -> None:
        self.payloads.reserve(assignment.layout.whole, self.workers * (assignment.payloads + 1))
        self._assignments[peer] = assignment
        shard = Shard(assignment, self._objective)
        if assignment.local_encoding:
            for start, X, y in assignment.local_encoding.pieces():
                shard.blocks.load(start, X, y)
            self.ready[peer, assignment.code_id] = Ready(assignment.code_id, True, None)
        self._workers[peer].take(shard)

    def piece(self, peer: int, start: int, X: Reals | SparseRows, y: Reals | None) -> None:
        assignment = self._assignments[peer]
        assert assignment is not None
        self._workers[peer].shards[assignment.code_id].blocks.load(start, X, y)

    def broadcast(self, point: Point, peers: Iterable[int]) -> None:
        for peer in peers:
            if peer not in self.lost:
                self._resume(peer, point)

    def tell(self, peer: int, news: News) -> None:
        if peer not in self.lost:
            self._resume(peer, news)

    def receive(self, until: float = inf, enough: int = 1) -> Batch:
        del enough
        while not self._inbox and not self.interrupted:
            if not self._wakes or self._wakes[0][0] > until:
                if until == inf:
                    raise Undecodable("every worker waits for the master: nothing more can arrive")
                self.now = until
                break
            instant, peer, version = heapq.heappop(self._wakes)
            if peer in self.lost:
                continue
            if version == LOSS:
                self.now = max(self.now, instant)
                self._lose(peer)
            elif version == self._version[peer]:
                self.now = max(self.now, instant)
                self._resume(peer, None)
        arrived, self._inbox = self._inbox, Batch()
        return arrived

    def host_of(self, peer: int) -> str:
        return HOST

    def spawn(self) -> None:
        self._spawned.append(self._add())

    def spawned(self) -> list[int]:
        spawned, self._spawned = self._spawned, []
        return spawned

    def stop(self, timeout: float) -> tuple[list[Report], int]:
        for loop in self._loops:
            loop.close()
        self.worker_events = {
            peer: RankEvents(HOST, each.events.close())
            for peer, each in enumerate(self._workers)
            if each.events is not None and peer not in self.lost
        }
        reports = [
            Report(peer, self.host_of(peer), each.results, 0.0, self.now, each.iteration)
            for peer, each in enumerate(self._workers)
            if peer not in self.lost
        ]
        return reports, 0

    def _resume(self, peer: int, event: Signal) -> None:
        """Resume a worker with what has arrived, if anything, until it waits again."""
        instant = self._loops[peer].send(event)
        self._version[peer] += 1
        if instant < inf:
            heapq.heappush(self._wakes, (instant, peer, self._version[peer]))

    def _deliver(self, peer: int, message: Reals) -> None:
        (row,) = self.payloads.take(1)
        buffer = self.payloads.buffers[row]
        buffer[: len(message)] = message[: len(buffer)]  # a broken worker may send more
        self._inbox.peers.append(peer)
        self._inbox.rows.append(row)
        self._inbox.lengths += self.payloads.body_lengths([message.nbytes])
        self._inbox.times.append(self.now)

    def _lose(self, peer: int) -> None:
        worker = self._workers[peer]
        self.lost[peer] = Report(
            peer,
            self.host_of(peer),
            worker.results,
            0.0,
            self.now,
            worker.iteration,
            "process lost",
        )
        self._inbox.losses.append(self.lost[peer])
