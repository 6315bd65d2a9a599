"""The worker's loop, which is the same over every transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from itertools import pairwise
from math import inf
from time import perf_counter

import numpy as np

from coded_dgd.engine.events import Activity, EventRecorder
from coded_dgd.engine.protocol import Collect, News, OwnTasks, Point, Reals, TaskChange, pack_header
from coded_dgd.engine.shard import Shard

Signal = Point | News | None
"""The newest point, news of the worker's tasks, or None for neither."""
Wait = Generator[float, Signal, None]
"""A generator that yields the instant until which to wait, and is sent a `Signal`."""


class Worker:
    """Computes partial gradients from its shards.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds: real, or virtual if the transport simulates.
    zeros : callable
        Returns an array of zeros, of a size and type, for a result. The array may be that of an
        earlier result that has been sent, or that was given up.
    """

    def __init__(self, clock: Callable[[], float], zeros: Callable[..., Reals] = np.zeros) -> None:
        self.clock, self._zeros = clock, zeros
        self.shards: dict[int, Shard] = {}
        self.iteration = 0
        self._changes: deque[TaskChange] = deque()
        """Changes of lists of tasks that have not been applied."""
        self._kept: dict[int, Reals] = {}
        """Messages of finished tasks of which only reports have been sent, by task."""
        self._kept_of = (-1, -1)
        """Code id and iteration of these tasks."""
        self.results = 0
        self.events: EventRecorder | None = None

    def take(self, shard: Shard) -> None:
        """Add a shard to the worker."""
        self.shards[shard.assignment.code_id] = shard
        if shard.assignment.timeline and self.events is None:
            self.events = EventRecorder(self.clock)

    def run(self, send: Callable[[Reals], None]) -> Wait:
        """Work on the newest point, until the generator is closed."""
        signal: Signal = None
        while True:
            if signal is None:
                signal = yield inf
            elif isinstance(signal, Point):
                self.iteration = signal.iteration
                of_point = signal.code_id, signal.iteration
                if of_point != self._kept_of:  # unless an iteration begins again
                    self._kept, self._kept_of = {}, of_point
                fixed = self.shards[signal.code_id].assignment.own is None
                work = self._all_tasks if fixed else self._told_tasks
                signal = yield from work(signal, send)
            else:
                self._note(signal, send)
                signal = None

    def _all_tasks(
        self, point: Point, send: Callable[[Reals], None]
    ) -> Generator[float, Signal, Point | None]:
        """Compute and send all messages of a point; return a point that overtakes it, if any."""
        shard, due, beta = self._begin(point)
        first, injects, tasks = 0, shard.delay.injects, shard.assignment.tasks
        events, code_id, iteration = self.events, point.code_id, point.iteration
        for index, last in enumerate(shard.assignment.ends):
            message = self._zeros(shard.size, shard.dtype)
            compute_seconds = overrun = 0.0
            while first < last:
                stop = min(first + shard.tasks_at_once, last)
                if events:
                    events.add(Activity.COMPUTE, code_id, iteration, index)
                begin = perf_counter()
                shard.add(message, first, stop, beta)
                compute_seconds += perf_counter() - begin
                first = stop
                if injects:
                    if events:
                        events.add(Activity.DELAY, code_id, iteration, index)
                    overrun = max(overrun, self.clock() - due[stop - 1])
                elif stop == tasks:  # the next wait returns a newer point
                    continue
                while (signal := (yield due[stop - 1])) is not None:
                    if isinstance(signal, Point):
                        return signal
                    self._note(signal, send)
                if shard.draws:
                    shard.draw(iteration + 1)
            if events:
                events.add(Activity.SEND, code_id, iteration, index)
            pack_header(message, 0, code_id, iteration, index, compute_seconds, overrun)
            send(message)
            self.results += 1
        if events:
            events.add(Activity.IDLE)
        if shard.draws:
            shard.draw(iteration + 1)
        return None

    def _told_tasks(
        self, point: Point, send: Callable[[Reals], None]
    ) -> Generator[float, Signal, Point | None]:
        """Compute and send own tasks and those that rank 0 assigns; return the next point.

        The time of the s-th task that the worker begins is that of its s-th task in the delay
        model.
        """
        shard, due, beta = self._begin(point)
        events, code_id, iteration = self.events, point.code_id, point.iteration
        seconds = [b - a if b < inf else inf for a, b in pairwise([self.clock(), *due])]
        tasks, begun, instant = deque(shard.own), 0, self.clock()
        zeros = np.zeros if shard.assignment.combine else self._zeros  # results may be kept
        while True:
            self._apply(point, tasks)
            if not tasks:
                if events:
                    events.add(Activity.IDLE)
                signal = yield inf
                if isinstance(signal, Point):
                    return signal
                self._note(signal, send)
                instant = self.clock()
                continue
            number = tasks.popleft()
            message = zeros(shard.size, shard.dtype)
            if events:
                events.add(Activity.COMPUTE, code_id, iteration, number)
            begin = perf_counter()
            shard.add(message, number, number + 1, beta)
            compute_seconds, overrun = perf_counter() - begin, 0.0
            instant += seconds[min(begun, len(seconds) - 1)]
            begun += 1
            if shard.delay.injects:
                if events:
                    events.add(Activity.DELAY, code_id, iteration, number)
                overrun = max(0.0, self.clock() - instant)
            pack_header(message, 0, code_id, iteration, number, compute_seconds, overrun)
            dropped = False
            while not dropped and (signal := (yield instant)) is not None:
                if isinstance(signal, Point):
                    return signal
                self._note(signal, send)
                dropped = self._apply(point, tasks, number)
            if dropped:
                instant = self.clock()
            else:
                if events:
                    events.add(Activity.SEND, code_id, iteration, number)
                if shard.assignment.combine:
                    self._kept[number], message = message, shard.report(message)
                send(message)
                self.results += 1
            if shard.draws:
                shard.draw(iteration + 1)

    def _begin(self, point: Point) -> tuple[Shard, list[float], Reals]:
        """Return the shard, the due times of its tasks, and beta, for a point."""
        shard = self.shards[point.code_id]
        if shard.assignment.replaces is not None:
            self.shards.pop(shard.assignment.replaces, None)
        due: list[float]
        if shard.delay.injects:
            due = (self.clock() + shard.draw(point.iteration).times).tolist()
        else:
            due = [self.clock()] * shard.assignment.tasks
        return shard, due, shard.begin(point)

    def _note(self, news: Signal, send: Callable[[Reals], None]) -> None:
        """Send a sum at once, and keep other news until they apply: a change overtakes points."""
        if isinstance(news, OwnTasks):
            self.shards[news.code_id].own = news.tasks
        elif isinstance(news, TaskChange):
            self._changes.append(news)
        elif isinstance(news, Collect) and self._kept_of == (news.code_id, news.iteration):
            if self.events:
                self.events.add(Activity.SEND, news.code_id, news.iteration, news.number)
            kept = [self._kept[task] for task in news.tasks]
            message = self.shards[news.code_id].sum_of(kept)
            pack_header(message, 0, news.code_id, news.iteration, news.number, 0.0, 0.0)
            send(message)
            self.results += 1

    def _apply(self, point: Point, tasks: deque[int], current: int | None = None) -> bool:
        """Apply the changes for a point to a list of tasks; return whether they drop `current`.

        Changes for earlier points are discarded, and those for later ones are kept.
        """
        if not self._changes:
            return False
        dropped, later = False, deque[TaskChange]()
        for change in self._changes:
            if (change.code_id, change.iteration) == (point.code_id, point.iteration):
                if change.drop in tasks:
                    tasks.remove(change.drop)
                elif change.drop >= 0:
                    dropped |= change.drop == current
                if change.take >= 0:
                    tasks.append(change.take)
            elif change.iteration > point.iteration or change.code_id != point.code_id:
                later.append(change)
        self._changes = later
        return dropped
