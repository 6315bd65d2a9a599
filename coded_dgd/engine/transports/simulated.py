"""Master and workers in one process under a virtual clock: real arithmetic, ideal network."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from math import inf

from coded_dgd.engine.protocol import STOP, Floats, Plan, Point, Report, Result, read_result
from coded_dgd.engine.transports.base import Transport
from coded_dgd.engine.worker import Wait, Worker
from coded_dgd.errors import Undecodable
from coded_dgd.problems.objectives import Objective


class SimulatedTransport(Transport):
    """An event heap: messages take no time, tasks take exactly their injected delay.

    Events at the same instant happen in the order of the workers. Workers use `objective`, by
    default the one that the plan names.
    """

    def __init__(self, workers: int, objective: Objective | None = None) -> None:
        self.workers = workers
        self._objective = objective
        self.now = 0.0
        self._workers: list[Worker] = []
        self._loops: list[Wait] = []
        self._wakes: list[tuple[float, int, int]] = []  # instant, worker, version
        self._version = [0] * workers
        self._inbox: list[Result | Report] = []

    def clock(self) -> float:
        return self.now

    def plan(self, plan: Plan) -> None:
        worker = Worker(plan, self.clock, self._objective)
        self._workers.append(worker)
        loop = worker.run(lambda message: self._deliver(plan.worker, message))
        self._loops.append(loop)
        next(loop)

    def piece(self, worker: int, start: int, X: Floats, y: Floats | None) -> None:
        self._workers[worker].load(start, X, y)

    def broadcast(self, point: Point) -> None:
        for worker in range(self.workers):
            self._resume(worker, point)

    def receive(self, until: float = inf) -> Iterator[Result | Report]:
        while not self._inbox:
            if not self._wakes or self._wakes[0][0] > until:
                if until == inf:
                    raise Undecodable("every worker waits for the master: nothing more can arrive")
                self.now = until
                return
            instant, worker, version = heapq.heappop(self._wakes)
            if version == self._version[worker]:
                self.now = max(self.now, instant)
                self._resume(worker, None)
        arrived, self._inbox = self._inbox, []
        yield from arrived

    def stop(self, timeout: float) -> tuple[list[Report], int]:
        for loop in self._loops:
            loop.close()
        reports = [
            Report(worker, "simulated", each.results, 0.0, self.now, STOP)
            for worker, each in enumerate(self._workers)
        ]
        return reports, 0

    def _resume(self, worker: int, point: Point | None) -> None:
        """Let a worker go on with the newest point, if any, until it waits again."""
        instant = self._loops[worker].send(point)
        self._version[worker] += 1
        if instant < inf:
            heapq.heappush(self._wakes, (instant, worker, self._version[worker]))

    def _deliver(self, worker: int, message: Floats) -> None:
        self._inbox.append(read_result(worker, self.now, message))
