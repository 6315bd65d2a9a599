"""The worker's loop: the same over every transport."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from time import perf_counter

import numpy as np

from coded_dgd import delays
from coded_dgd.engine.protocol import HEADER, STOP, Floats, Plan, Point, result_buffer
from coded_dgd.problems import objectives
from coded_dgd.problems.objectives import Objective

ROWS_AT_ONCE = 256
"""Rows of data in one computation, between two looks for a newer point."""

Wait = Generator[float, Point | None, None]
"""Yields the instant until which to wait; is sent the newest point, or None if there is none."""


class Worker:
    """Computes partial gradients of the (coded) blocks that the plan gives it.

    Parameters
    ----------
    plan : Plan
    clock : callable
        Seconds; real, or virtual where the transport simulates.
    objective : Objective, optional
        By default the one that the plan names.
    """

    def __init__(
        self, plan: Plan, clock: Callable[[], float], objective: Objective | None = None
    ) -> None:
        self.plan = plan
        self.clock = clock
        self.delay = delays.create(plan.delay, plan.seed)
        self.objective = objective or objectives.create(plan.objective)
        self.work: Floats = np.arange(1, plan.tasks + 1) * np.float64(plan.unit)
        self.X = np.zeros((plan.tasks, plan.height, plan.features))
        self.y = np.zeros((plan.tasks, plan.height)) if plan.labels else None
        # Small tasks of one message are computed together.
        self._together = max(1, ROWS_AT_ONCE // max(1, plan.height))
        self._factors = None if plan.coefficients is None else np.array(plan.coefficients)
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
        times = self.delay.finish_times(iteration, plan.worker, self.work)
        self._prepared = iteration, times

    def _compute(self, first: int, last: int, beta: Floats) -> Floats:
        """Sum of the results of tasks `first` to `last` - 1, each times its coefficient."""
        factors = None if self._factors is None else self._factors[first:last]
        X = self.X[first:last]
        if self.plan.product:
            results: Floats = X @ beta
            return results.sum(axis=0) if factors is None else factors @ results
        y = None if self.y is None else self.y[first:last].ravel()
        weights = None if factors is None else np.repeat(factors, self.plan.height)
        return self.objective.gradient(X.reshape(-1, X.shape[-1]), y, beta, weights)

    def run(self, send: Callable[[Floats], None]) -> Wait:
        """Work on the newest point until one says stop."""
        self._prepare(0)
        if self.plan.tasks:  # the first call of everything takes long: not in the first iteration
            self._compute(0, 1, np.zeros(self.plan.features))
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
            message, payload = result_buffer(plan.payload)
            compute_seconds = overrun = 0.0
            while first < last:
                stop = min(first + self._together, last)
                begin = perf_counter()
                payload += self._compute(first, stop, point.beta)
                compute_seconds += perf_counter() - begin
                first = stop
                if self.delay.injects:
                    overrun = max(overrun, self.clock() - due[stop - 1])
                newer = yield due[stop - 1]
                if newer is not None:
                    return newer
                if self._prepared[0] == point.iteration:
                    self._prepare(point.iteration + 1)
            message[:HEADER] = point.iteration, index, compute_seconds, overrun
            send(message)
            self.results += 1
        return None
