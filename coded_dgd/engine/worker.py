"""The worker's loop: the same over every transport."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from time import perf_counter

import numpy as np

from coded_dgd import delays
from coded_dgd.engine.marks import Activity, Marks, unmarked
from coded_dgd.engine.protocol import HEADER, Floats, Plan, Point, result_buffer
from coded_dgd.problems import objectives
from coded_dgd.problems.objectives import Objective

ROWS_AT_ONCE = 256
"""Rows of data in one computation, between two looks for a newer point."""

Wait = Generator[float, Point | None, None]
"""Yields the instant until which to wait; is sent the newest point, or None if there is none."""


class Share:
    """A worker's share of one code: (coded) blocks, and what to do with them.

    Parameters
    ----------
    plan : Plan
    objective : Objective, optional
        By default the one that the plan names.
    """

    def __init__(self, plan: Plan, objective: Objective | None = None) -> None:
        self.plan = plan
        self.delay = delays.create(plan.delay, plan.seed)
        self.objective = objective or objectives.create(plan.objective)
        self.work: Floats = np.arange(1, plan.tasks + 1) * np.float64(plan.unit)
        self.X = np.zeros((plan.tasks, plan.height, plan.features))
        self.y = np.zeros((plan.tasks, plan.height)) if plan.labels else None
        # Small tasks of one message are computed together.
        self.together = max(1, ROWS_AT_ONCE // max(1, plan.height))
        self._factors = None if plan.coefficients is None else np.array(plan.coefficients)
        self._drawn: tuple[int, Floats] = (-1, np.empty(0))

    def load(self, start: int, X: Floats, y: Floats | None) -> None:
        """Take rows `start`, ... of every block: X : (tasks, k, l), y : (tasks, k) or None."""
        rows = slice(start, start + X.shape[1])
        self.X[:, rows] = X
        if self.y is not None and y is not None:
            self.y[:, rows] = y

    def warm_up(self) -> None:
        """Do everything once: the first call takes long, and should not in the first iteration."""
        self.finish_times(0)
        if self.plan.tasks:
            self.compute(0, 1, np.zeros(self.plan.features))

    def finish_times(self, iteration: int) -> Floats:
        """Injected finish times; best asked for ahead, when not all workers start at once."""
        if self._drawn[0] != iteration:
            times = self.delay.finish_times(iteration, self.plan.worker, self.work)
            self._drawn = iteration, times
        return self._drawn[1]

    def compute(self, first: int, last: int, beta: Floats) -> Floats:
        """Sum of the results of tasks `first` to `last` - 1, each times its coefficient."""
        factors = None if self._factors is None else self._factors[first:last]
        X = self.X[first:last]
        if self.plan.product:
            results: Floats = X @ beta
            return results.sum(axis=0) if factors is None else factors @ results
        y = None if self.y is None else self.y[first:last].ravel()
        weights = None if factors is None else np.repeat(factors, self.plan.height)
        return self.objective.gradient(X.reshape(-1, X.shape[-1]), y, beta, weights)


class Worker:
    """Computes partial gradients of the shares that it is given.

    Parameters
    ----------
    clock : callable
        Seconds; real, or virtual where the transport simulates.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.shares: dict[int, Share] = {}
        self.iteration = 0
        self.results = 0
        self.marks: Marks | None = None
        self._mark: Callable[..., None] = unmarked

    def take(self, share: Share) -> None:
        """Hold one more share."""
        self.shares[share.plan.lane] = share
        if share.plan.timeline and self.marks is None:
            self.marks = Marks(self.clock)
            self._mark = self.marks.mark

    def run(self, send: Callable[[Floats], None]) -> Wait:
        """Work on the newest point."""
        point = yield inf
        while True:
            if point is None:
                point = yield inf
            else:
                self.iteration = point.iteration
                point = yield from self._iteration(point, send)

    def _iteration(
        self, point: Point, send: Callable[[Floats], None]
    ) -> Generator[float, Point | None, Point | None]:
        """Compute and send message after message; return the point that overtakes, if one does."""
        share, begin = self.shares[point.lane], self.clock()
        plan = share.plan
        self.shares.pop(-1 if plan.replaces is None else plan.replaces, None)
        due = begin + share.finish_times(point.iteration)
        first, mark, lane, iteration = 0, self._mark, point.lane, point.iteration
        for index, last in enumerate(plan.ends):
            message, payload = result_buffer(plan.payload)
            compute_seconds = overrun = 0.0
            while first < last:
                stop = min(first + share.together, last)
                mark(Activity.COMPUTE, lane, iteration, index)
                begin = perf_counter()
                payload += share.compute(first, stop, point.beta)
                compute_seconds += perf_counter() - begin
                first = stop
                if share.delay.injects:
                    mark(Activity.DELAY, lane, iteration, index)
                    overrun = max(overrun, self.clock() - due[stop - 1])
                newer = yield due[stop - 1]
                if newer is not None:
                    return newer
                share.finish_times(iteration + 1)
            mark(Activity.SEND, lane, iteration, index)
            message[:HEADER] = lane, iteration, index, compute_seconds, overrun
            send(message)
            self.results += 1
        mark(Activity.IDLE)
        return None
