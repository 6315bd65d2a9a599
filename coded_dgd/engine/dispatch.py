"""Send the workers of a dynamic scheme what the scheduler decides."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from coded_dgd.engine.collecting import Collection
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Collect, OwnTasks, TaskChange
from coded_dgd.scheduling.scheduler import Scheduler
from coded_dgd.scheduling.shares import Shares
from coded_dgd.schemes.dynamic import DynamicScheme


class Dispatcher:
    """Sends words to the workers of a group. Times are in seconds after beta_t has left.

    Parameters
    ----------
    group : WorkerGroup
    scheme : DynamicScheme
        The scheme of the group.
    """

    def __init__(self, group: WorkerGroup, scheme: DynamicScheme) -> None:
        self._group = group
        self._scheduler, self.shares = Scheduler(scheme), Shares(scheme)
        self.collection = Collection(scheme) if group.combines else None
        """What workers keep; None if they send each result at once."""
        self._own = self.shares.lists
        self._known: dict[int, list[int]] = {}
        """Tasks with which each peer begins an iteration, if not those of its assignment."""
        self._iteration = 0
        self._observed = False
        """Whether all blocks have been done once in this iteration."""

    @property
    def words(self) -> int:
        """Number of words that have been sent in this iteration."""
        return self._scheduler.words_sent

    @property
    def results(self) -> int:
        """Number of results, or of reports of them, that have arrived in this iteration."""
        return sum(self._scheduler.progress.done)

    def divide(self, iteration: int, lost: Iterable[int]) -> None:
        """Tell workers with which tasks they begin an iteration. Call it before beta_t leaves."""
        lost, group = {*lost}, self._group
        lists = self.shares.divide(lost)
        for worker, (tasks, assigned) in enumerate(zip(lists, self._own, strict=True)):
            peer = group.members[worker]
            if worker not in lost and tasks != self._known.get(peer, assigned):
                self._known[peer] = tasks
                group.transport.tell(peer, OwnTasks(group.code_id, tuple(tasks)))
        self._iteration, self._observed = iteration, False
        self._scheduler.begin(lists, lost)
        if self.collection:
            self.collection.begin(iteration)
            group.sums = self.collection.numbers

    def finish(self, worker: int, number: int, elapsed: float) -> None:
        """Note that the result of a task, or the report of it, has arrived."""
        if self.collection:
            gone = worker in self._scheduler.progress.lost  # with what it has kept
            if gone or not self.collection.keep(worker, number):
                return
        self._scheduler.finish(worker, number, elapsed)
        if self._scheduler.complete and not self._observed:
            self._observed = True
            self.shares.observe(self._scheduler.progress)

    def refuse(self, worker: int, number: int | None, elapsed: float) -> list[int | None]:
        """Note that a message of a worker cannot be used; others may compute the tasks.

        Returns
        -------
        list of int or None
            The tasks, which are several if the message is a sum; None for what is unknown.
        """
        tasks: list[int | None] = [number]
        if self.collection and (number is None or self.collection.is_sum(worker, number)):
            kept = self.collection.refuse(worker, number)
            self._reopen(worker, kept)
            tasks = [*kept] or ([None] if number is None else [])  # a sum that nobody asked for
        for task in tasks:
            self._scheduler.refuse(worker, task, elapsed)
        return tasks

    def _reopen(self, worker: int, tasks: Iterable[int]) -> None:
        """Have tasks done again whose results a worker has kept, unless others keep them, too."""
        assert self.collection is not None
        for task in tasks:
            if not self.collection.is_kept(worker, task):
                self._scheduler.reopen(worker, task)

    def lose(self, worker: int, elapsed: float) -> None:
        """Note that a worker is lost; others may compute its tasks."""
        if self.collection:
            self._reopen(worker, self.collection.lose(worker))
        self._scheduler.lose(worker, elapsed)

    @property
    def next_instant(self) -> float:
        """Time at which to call `tell` again even if nothing has arrived; inf for never."""
        overdue_at = self.collection.overdue_at if self.collection else inf
        return min(self._scheduler.next_instant, overdue_at)

    def tell(self, elapsed: float) -> None:
        """Send the words that follow from what has happened. Call it after beta_t has left."""
        group = self._group
        if self.collection and elapsed >= self.collection.overdue_at:
            for worker, tasks in self.collection.give_up(elapsed):
                self._reopen(worker, tasks)
            self._scheduler.wake(elapsed)
        for worker, take, drop in self._scheduler.words(elapsed):
            change = TaskChange(group.code_id, self._iteration, take, drop)
            group.transport.tell(group.members[worker], change)
        if self.collection and self._scheduler.complete:
            requests = self.collection.ask(elapsed)
            group.sums = self.collection.numbers
            for worker, number, asked in requests:
                request = Collect(group.code_id, self._iteration, number, tuple(asked))
                group.transport.tell(group.members[worker], request)
