"""The worker's loop: the same over every transport."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from time import perf_counter

import numpy as np

from coded_dgd import delays
from coded_dgd.engine.protocol import STOP, Floats, Plan, Point, result_buffer
from coded_dgd.problems.objectives import OBJECTIVES

Wait = Generator[float, Point | None, None]
"""Yields the instant until which to wait; is sent the newest point, or None if there is none."""


class Worker:
    """Computes partial gradients of the (coded) blocks that the plan gives it.

    Parameters
    ----------
    plan : Plan
    clock : callable
        Seconds; real, or virtual where the transport simulates.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self.plan = plan
        self.clock = clock
        self.delay = delays.create(plan.delay, plan.seed)
        self.objective = OBJECTIVES[plan.objective]()
        self.X = np.zeros((plan.tasks, plan.height, plan.features))
        self.y = np.zeros((plan.tasks, plan.height)) if plan.labels else None
        self.iteration = 0
        self.results = 0

    def load(self, start: int, X: Floats, y: Floats | None) -> None:
        """Take rows `start`, ... of every block: X : (tasks, k, l), y : (tasks, k) or None."""
        rows = slice(start, start + X.shape[1])
        self.X[:, rows] = X
        if self.y is not None and y is not None:
            self.y[:, rows] = y

    def _prepare(self, iteration: int) -> None:
        """Draw the delays of an iteration; best ahead of it, when not everybody starts at once."""
        plan = self.plan
        times = self.delay.finish_times(iteration, plan.worker, plan.tasks)
        self._prepared = iteration, times

    def _compute(self, task: int, beta: Floats) -> Floats:
        y = None if self.y is None else self.y[task]
        return self.objective.gradient(self.X[task], y, beta)

    def run(self, send: Callable[[Floats], None]) -> Wait:
        """Work on the newest point until one says stop."""
        self._prepare(0)
        if self.plan.tasks:  # the first call of everything takes long: not in the first iteration
            self._compute(0, np.zeros(self.plan.features))
        point = yield inf
        while point is None or point.iteration != STOP:
            if point is None:
                point = yield inf
            else:
                self.iteration = point.iteration
                point = yield from self._iteration(point, send)

    def _iteration(
        self, point: Point, send: Callable[[Floats], None]
    ) -> Generator[float, Point | None, Point | None]:
        """Compute and send message after message; return the point that overtakes, if one does."""
        plan, begin = self.plan, self.clock()
        if self._prepared[0] != point.iteration:
            self._prepare(point.iteration)
        due = begin + self._prepared[1]
        first = 0
        for index, last in enumerate(plan.ends):
            message, payload = result_buffer(plan.features)
            compute_seconds = overrun = 0.0
            for task in range(first, last):
                begin = perf_counter()
                payload += self._compute(task, point.beta)
                compute_seconds += perf_counter() - begin
                if self.delay.injects:
                    overrun = max(overrun, self.clock() - due[task])
                newer = yield due[task]
                if newer is not None:
                    return newer
                if self._prepared[0] == point.iteration:
                    self._prepare(point.iteration + 1)
            message[: -plan.features] = point.iteration, index, compute_seconds, overrun
            send(message)
            self.results += 1
            first = last
        return None
