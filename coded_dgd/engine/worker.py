"""The worker's loop, which is the same over every transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from math import inf
from time import perf_counter

from coded_dgd.engine.events import Activity, EventRecorder, no_event
from coded_dgd.engine.protocol import Point, Reals, Task, result_parts
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
        for index, last in enumerate(assignment.ends):
            message, seconds, overrun = shard.new_message(), 0.0, 0.0
            while first < last:
                stop = min(first + shard.tasks_at_once, last)
                seconds += self._compute(shard, point, index, (first, stop), beta, message)
                first = stop
                if injects:
                    self._event(Activity.DELAY, point.code_id, point.iteration, index)
                    overrun = max(overrun, self.clock() - due[stop - 1])
                elif stop == assignment.tasks:  # the next wait returns a newer point
                    continue
                newer = yield from self._wait(due[stop - 1])
                if newer is not None:
                    return newer
                shard.finish_times(point.iteration + 1)
            self._send(message, point, index, seconds, overrun, send)
        self._event(Activity.IDLE)
        return None

    def _told_tasks(
        self, point: Point, send: Callable[[Reals], None]
    ) -> Generator[float, Signal, Point | None]:
        """Compute and send the tasks that rank 0 assigns; return the point that overtakes."""
        shard, due, beta = self._begin(point)
        for instant in due:
            while (number := self._next_task(point)) is None:
                self._event(Activity.IDLE)
                signal = yield inf
                if isinstance(signal, Point):
                    return signal
                if signal is not None:
                    self._tasks.append(signal)
            message = shard.new_message()
            seconds = self._compute(shard, point, number, (number, number + 1), beta, message)
            self._event(Activity.DELAY, point.code_id, point.iteration, number)
            overrun = max(0.0, self.clock() - instant) if shard.delay.injects else 0.0
            newer = yield from self._wait(instant)
            if newer is not None:
                return newer
            self._send(message, point, number, seconds, overrun, send)
        self._event(Activity.IDLE)
        return None

    def _begin(self, point: Point) -> tuple[Shard, list[float], Reals]:
        """Return the shard, the due times of its tasks, and beta, for a point."""
        shard = self.shards[point.code_id]
        self.shards.pop(
            -1 if shard.assignment.replaces is None else shard.assignment.replaces, None
        )
        due: list[float] = (self.clock() + shard.finish_times(point.iteration)).tolist()
        return shard, due, point.beta.astype(shard.dtype, copy=False)

    def _compute(
        self,
        shard: Shard,
        point: Point,
        number: int,
        tasks: tuple[int, int],
        beta: Reals,
        message: Reals,
    ) -> float:
        """Add the results of some tasks to message `number`; return the seconds it took."""
        self._event(Activity.COMPUTE, point.code_id, point.iteration, number)
        begin = perf_counter()
        extras, payload = shard.layout.parts(result_parts(message)[1])
        payload += shard.compute(*tasks, beta)
        if extras.size:
            extras += shard.extras(*tasks, beta)
        return perf_counter() - begin

    def _send(
        self,
        message: Reals,
        point: Point,
        number: int,
        seconds: float,
        overrun: float,
        send: Callable[[Reals], None],
    ) -> None:
        """Write the header of a message, and send the message."""
        self._event(Activity.SEND, point.code_id, point.iteration, number)
        header, _ = result_parts(message)
        header[0], header[1], header[2] = point.code_id, point.iteration, number
        header[3], header[4] = seconds, overrun
        send(message)
        self.results += 1

    def _wait(self, until: float) -> Generator[float, Signal, Point | None]:
        """Wait until an instant; return a newer point if one arrives, and keep tasks."""
        while isinstance(signal := (yield until), Task):
            self._tasks.append(signal)
        return signal

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
