"""An iteration of a dynamic scheme in virtual time: words and messages take no or a given time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from math import inf

import numpy as np

from coded_dgd.guard import Replayed
from coded_dgd.scheduling.scheduler import NONE, Scheduler
from coded_dgd.scheduling.shares import Shares
from coded_dgd.schemes.base import Floats
from coded_dgd.schemes.dynamic import DynamicScheme

LOSS = -1
WARM_UP = 8
"""Number of iterations from which speeds are learnt, before those that count."""


class VirtualWorkers:
    """Replays iterations of a dynamic scheme by events, with the decisions of the real system.

    Speeds of workers are learnt from one iteration to the next.

    Parameters
    ----------
    scheme : DynamicScheme
    late : float
        Seconds that a word takes.
    message : float
        Seconds after the end of a task at which its message reaches rank 0.
    service : float
        Seconds for which rank 0 is then busy with it, one message after the other.
    keep : bool
        Whether workers keep their results until all blocks are done, so that those of a lost worker
        are lost.
    """

    def __init__(
        self,
        scheme: DynamicScheme,
        late: float = 0.0,
        message: float = 0.0,
        service: float = 0.0,
        keep: bool = False,
    ) -> None:
        self._held = [scheme.held(worker).tolist() for worker in range(scheme.workers)]
        self._keep, self._learns = keep, scheme.shares_by_speed
        self._scheduler, self._shares, self._late = Scheduler(scheme), Shares(scheme), late
        self._message, self._service = message, service

    @property
    def words(self) -> int:
        """Number of words in the latest iteration."""
        return self._scheduler.words_sent

    def run(self, finish: Floats, lost: Mapping[int, float] | None = None) -> Replayed:
        """Replay one iteration; the parameters and the result are those of `steps`."""
        steps = self.steps(finish, lost)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                replayed: Replayed = end.value
                return replayed

    def run_settled(self, finish: Floats, silent: Sequence[int] = ()) -> list[Replayed]:
        """Replay consecutive iterations, and return all but the first `WARM_UP` of them.

        If shares do not follow speeds, nothing is learnt, and the first ones are not replayed.

        Parameters
        ----------
        finish : (WARM_UP + iterations, M, r) array
            Finish times in seconds, as in `steps`.
        silent : sequence of int, optional
            Worker that computes nothing in each iteration that is returned; by default all compute.
        """
        if self._learns:
            for each in finish[:WARM_UP]:
                self.run(each)
        lost = [{worker: 0.0} for worker in silent] or [{}] * (len(finish) - WARM_UP)
        return [self.run(*each) for each in zip(finish[WARM_UP:], lost, strict=True)]

    def steps(
        self, finish: Floats, lost: Mapping[int, float] | None = None
    ) -> Generator[None, None, Replayed]:
        """Replay one iteration, one event at each step.

        Parameters
        ----------
        finish : (M, r) array
            Finish times in seconds of tasks that a worker would do one after the other. What the
            s-th of them takes is the time of the s-th task that the worker begins.
        lost : mapping of int to float, optional
            Instant in seconds at which each lost worker is lost, by worker.

        Returns
        -------
        Replayed
            The completion time is inf if the gradient never becomes decodable.
        """
        lost, scheduler = lost or {}, self._scheduler
        gone = [worker for worker, instant in lost.items() if instant <= 0]
        lists = self._shares.divide(gone)
        scheduler.begin(lists, gone)
        workers = [
            _Worker(number, each, [] if number in gone else tasks)
            for number, (each, tasks) in enumerate(zip(durations(finish), lists, strict=True))
        ]
        events: list[tuple[float, int, int]] = []
        """Instant, worker, and the version of its current task or `LOSS`."""
        words: list[tuple[float, int, int, int]] = []
        arriving: deque[tuple[float, int, int]] = deque()
        """Instant at which rank 0 has received each result, worker, and task."""
        order: dict[tuple[int, int], None] = {}
        """Results that rank 0 has received, in this order: worker and task."""
        for worker in workers:
            worker.start(0.0, events)
        for number, instant in lost.items():
            if instant > 0:
                heapq.heappush(events, (instant, number, LOSS))
        now = free = 0.0
        timer = self._tell(workers, now, events, words)
        while True:
            first = events[0][0] if events else inf
            if arriving and arriving[0][0] < first:
                first = arriving[0][0]
            if words and words[0][0] < first:
                first = words[0][0]
            if timer == first == inf:
                return Replayed(inf, [*order])
            if timer < first:
                now = timer
                timer = self._tell(workers, now, events, words)
                continue
            if words and words[0][0] == first:
                now, number, take, drop = words.pop(0)
                if number not in scheduler.progress.lost:
                    workers[number].hear(take, drop, now, events)
                continue
            if arriving and arriving[0][0] == first:
                now, number, task = arriving.popleft()
                if (number, task) in order:  # a word that came too late has had it done again
                    continue
                if self._keep and number in scheduler.progress.lost:
                    continue
                order[number, task] = None
                scheduler.finish(number, task, now)
                if scheduler.complete:
                    self._shares.observe(scheduler.progress)
                    return Replayed(now, [*order])
                timer = self._tell(workers, now, events, words)
                yield
                continue
            now, number, version = heapq.heappop(events)
            if version == LOSS:
                workers[number].version = LOSS
                if self._keep:
                    order = self._without(number, order)
                scheduler.lose(number, now)
                timer = self._tell(workers, now, events, words)
                yield
            elif version == workers[number].version:
                free = max(free, now + self._message) + self._service
                arriving.append((free, number, workers[number].current))
                workers[number].current = NONE
                workers[number].start(now, events)

    def _without(self, lost: int, order: Iterable[tuple[int, int]]) -> dict[tuple[int, int], None]:
        """Return the results that others keep; have blocks done again whose only one is lost."""
        left = {(worker, task): None for worker, task in order if worker != lost}
        kept = {self._held[worker][task] for worker, task in left}
        for worker, task in order:
            if worker == lost and self._held[worker][task] not in kept:
                self._scheduler.reopen(worker, task)
        return left

    def _tell(
        self,
        workers: list[_Worker],
        now: float,
        events: list[tuple[float, int, int]],
        words: list[tuple[float, int, int, int]],
    ) -> float:
        """Tell the workers the news, now or late; return when the scheduler asks again."""
        for number, take, drop in self._scheduler.words(now):
            if self._late:
                words.append((now + self._late, number, take, drop))
            else:
                workers[number].hear(take, drop, now, events)
        return self._scheduler.next_instant


class _Worker:
    """A worker in virtual time."""

    def __init__(self, number: int, durations: list[float], tasks: list[int]) -> None:
        self._number, self._durations = number, durations
        self._tasks = [*tasks]
        self._begun = 0
        self.current, self.version = NONE, 0

    def start(self, now: float, events: list[tuple[float, int, int]]) -> None:
        """Begin the next task if none is under way."""
        if self.current == NONE and self._tasks:
            self.current = self._tasks.pop(0)
            self.version += 1
            seconds = self._durations[min(self._begun, len(self._durations) - 1)]
            self._begun += 1
            if seconds < inf:
                heapq.heappush(events, (now + seconds, self._number, self.version))

    def hear(self, take: int, drop: int, now: float, events: list[tuple[float, int, int]]) -> None:
        """Change the list of tasks, and break off a task that is dropped."""
        if drop in self._tasks:
            self._tasks.remove(drop)
        elif drop == self.current != NONE:
            self.current, self.version = NONE, self.version + 1
        if take != NONE:
            self._tasks.append(take)
        self.start(now, events)


def durations(finish: Floats) -> list[list[float]]:
    """Return the time of each task, given finish times (M, r) of tasks one after the other."""
    with np.errstate(invalid="ignore"):
        found = np.diff(finish, axis=1, prepend=0.0)
    return np.where(np.isnan(found), inf, found).tolist()  # type: ignore[no-any-return]
