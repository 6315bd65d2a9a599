"""The worker's loop, which is the same over every transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from itertools import count
from math import inf
from time import perf_counter

from coded_dgd.engine.events import Activity, EventRecorder, no_event
from coded_dgd.engine.protocol import Point, Reals, Task
from coded_dgd.engine.shard import Shard

Signal = Point | Task | None
"""The newest point, one more task, or None for neither."""
Wait = Generator[float, Signal, None]
"""A generator that yields the instant until which to wait, and is sent a `Signal`."""


class Worker:
    """Computes partial gradients from its shards.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds: real, or virtual if the transport simulates.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.shards: dict[int, Shard] = {}
        self.iteration = 0
        self._tasks: deque[Task] = deque()
        self.results = 0
        self.events: EventRecorder | None = None
        self._event: Callable[..., None] = no_event

    def take(self, shard: Shard) -> None:
        """Add a shard to the worker."""
        self.shards[shard.assignment.code_id] = shard
        if shard.assignment.timeline and self.events is None:
            self.events = EventRecorder(self.clock)
            self._event = self.events.add

    def run(self, send: Callable[[Reals], None]) -> Wait:
        """Work on the newest point, until the generator is closed."""
        signal = yield inf
        while True:
            if isinstance(signal, Point):
                self.iteration = signal.iteration
                told = self.shards[signal.code_id].assignment.dynamic
                work = self._told_tasks if told else self._all_tasks
                signal = yield from work(signal, send)
            else:
                if signal is not None:  # a task may overtake its point
                    self._tasks.append(signal)
                signal = yield inf

    def _all_tasks(
        self, point: Point, send: Callable[[Reals], None]
    ) -> Generator[float, Signal, Point | None]:
        """Compute and send all messages of a point; return a point that overtakes it, if any."""
        shard, due, beta = self._begin(point)
        first, injects, assignment = 0, shard.delay.injects, shard.assignment
        event, code_id, iteration = self._event, point.code_id, point.iteration
        for index, last in enumerate(assignment.ends):
            message, header = shard.new_message()
            compute_seconds = overrun = 0.0
            while first < last:
                stop = min(first + shard.tasks_at_once, last)
                event(Activity.COMPUTE, code_id, iteration, index)
                begin = perf_counter()
                shard.add(message, first, stop, beta)
                compute_seconds += perf_counter() - begin
                first = stop
                if injects:
                    event(Activity.DELAY, code_id, iteration, index)
                    overrun = max(overrun, self.clock() - due[stop - 1])
                elif stop == assignment.tasks:  # the next wait returns a newer point
                    continue
                while (signal := (yield due[stop - 1])) is not None:
                    if isinstance(signal, Point):
                        return signal
                    self._tasks.append(signal)
                shard.draw(iteration + 1)
            event(Activity.SEND, code_id, iteration, index)
            header[0], header[1], header[2] = code_id, iteration, index
            header[3], header[4] = compute_seconds, overrun
            send(message)
            self.results += 1
        event(Activity.IDLE)
        shard.draw(iteration + 1)
        return None

    def _told_tasks(
        self, point: Point, send: Callable[[Reals], None]
    ) -> Generator[float, Signal, Point | None]:
        """Compute and send the tasks that rank 0 assigns; return the point that overtakes."""
        shard, due, beta = self._begin(point)
        event, code_id, iteration = self._event, point.code_id, point.iteration
        for done in count():  # tasks of a broken-off attempt at the iteration come on top
            instant = due[min(done, len(due) - 1)]
            while (number := self._next_task(point)) is None:
                event(Activity.IDLE)
                shard.draw(iteration + 1)
                signal = yield inf
                if isinstance(signal, Point):
                    return signal
                if signal is not None:
                    self._tasks.append(signal)
            message, header = shard.new_message()
            event(Activity.COMPUTE, code_id, iteration, number)
            begin = perf_counter()
            shard.add(message, number, number + 1, beta)
            header[0], header[1], header[2] = code_id, iteration, number
            header[3] = perf_counter() - begin
            if shard.delay.injects:
                event(Activity.DELAY, code_id, iteration, number)
                header[4] = max(0.0, self.clock() - instant)
            while (signal := (yield instant)) is not None:
                if isinstance(signal, Point):
                    return signal
                self._tasks.append(signal)
            event(Activity.SEND, code_id, iteration, number)
            send(message)
            self.results += 1
        return None

    def _begin(self, point: Point) -> tuple[Shard, list[float], Reals]:
        """Return the shard, the due times of its tasks, and beta, for a point."""
        shard = self.shards[point.code_id]
        if shard.assignment.replaces is not None:
            self.shards.pop(shard.assignment.replaces, None)
        due: list[float] = (self.clock() + shard.draw(point.iteration).times).tolist()
        return shard, due, shard.begin(point)

    def _next_task(self, point: Point) -> int | None:
        """Return the number of the next task for a point, and drop tasks of earlier points."""
        while self._tasks:
            task = self._tasks[0]
            if task.iteration > point.iteration and task.code_id == point.code_id:
                return None
            self._tasks.popleft()
            if (task.code_id, task.iteration) == (point.code_id, point.iteration):
                return task.number
        return None
