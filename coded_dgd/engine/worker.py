"""The worker's loop: the same over every transport."""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from time import perf_counter

from coded_dgd.engine.marks import Activity, Marks, unmarked
from coded_dgd.engine.protocol import Point, Reals, result_parts
from coded_dgd.engine.share import Share

Wait = Generator[float, Point | None, None]
"""Yields the instant until which to wait; is sent the newest point, or None if there is none."""


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

    def run(self, send: Callable[[Reals], None]) -> Wait:
        """Work on the newest point."""
        point = yield inf
        while True:
            if point is None:
                point = yield inf
            else:
                self.iteration = point.iteration
                point = yield from self._iteration(point, send)

    def _iteration(
        self, point: Point, send: Callable[[Reals], None]
    ) -> Generator[float, Point | None, Point | None]:
        """Compute and send message after message; return the point that overtakes, if one does."""
        share, begin = self.shares[point.lane], self.clock()
        plan = share.plan
        self.shares.pop(-1 if plan.replaces is None else plan.replaces, None)
        due = (begin + share.finish_times(point.iteration)).tolist()
        beta = point.beta.astype(share.dtype, copy=False)
        first, mark, lane, iteration = 0, self._mark, point.lane, point.iteration
        injects = share.delay.injects
        for index, last in enumerate(plan.ends):
            message = share.new_message()
            header, body = result_parts(message)
            extras, payload = share.layout.parts(body)
            compute_seconds = overrun = 0.0
            while first < last:
                stop = min(first + share.together, last)
                mark(Activity.COMPUTE, lane, iteration, index)
                begin = perf_counter()
                payload += share.compute(first, stop, beta)
                if extras.size:
                    extras += share.extras(first, stop, beta)
                compute_seconds += perf_counter() - begin
                first = stop
                if injects:
                    mark(Activity.DELAY, lane, iteration, index)
                    overrun = max(overrun, self.clock() - due[stop - 1])
                elif stop == plan.tasks:  # a newer point is found a moment later
                    continue
                newer = yield due[stop - 1]
                if newer is not None:
                    return newer
                share.finish_times(iteration + 1)
            mark(Activity.SEND, lane, iteration, index)
            header[0], header[1], header[2] = lane, iteration, index
            header[3], header[4] = compute_seconds, overrun
            send(message)
            self.results += 1
        mark(Activity.IDLE)
        return None
