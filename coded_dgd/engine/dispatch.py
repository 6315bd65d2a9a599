"""Send the workers of a dynamic scheme what the scheduler decides."""

from __future__ import annotations

from collections.abc import Iterable

from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Change, OwnTasks
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
        self._own = self.shares.lists
        self._known: dict[int, list[int]] = {}
        """Tasks with which each peer begins an iteration, if not those of its assignment."""
        self._iteration = 0

    def divide(self, iteration: int, lost: Iterable[int]) -> None:
        """Tell workers with which tasks they begin an iteration. Call it before beta_t leaves."""
        lost, group = {*lost}, self._group
        lists = self.shares.divide(lost)
        for worker, (tasks, assigned) in enumerate(zip(lists, self._own, strict=True)):
            peer = group.members[worker]
            if worker not in lost and tasks != self._known.get(peer, assigned):
                self._known[peer] = tasks
                group.transport.tell(peer, OwnTasks(group.code_id, tuple(tasks)))
        self._iteration = iteration
        self._scheduler.begin(lists, lost)

    def finish(self, worker: int, number: int, elapsed: float) -> None:
        """Note that the result of a task has arrived."""
        self._scheduler.finish(worker, number, elapsed)
        if self._scheduler.complete:
            self.shares.observe(self._scheduler.progress)

    def refuse(self, worker: int, number: int | None, elapsed: float) -> None:
        """Note that a result of a worker cannot be used; others may compute the task."""
        self._scheduler.refuse(worker, number, elapsed)

    def lose(self, worker: int, elapsed: float) -> None:
        """Note that a worker is lost; others may compute its tasks."""
        self._scheduler.lose(worker, elapsed)

    @property
    def next_instant(self) -> float:
        """Time at which to call `tell` again even if nothing has arrived; inf for never."""
        return self._scheduler.next_instant

    def tell(self, elapsed: float) -> None:
        """Send the words that follow from what has happened. Call it after beta_t has left."""
        group = self._group
        for worker, take, drop in self._scheduler.words(elapsed):
            change = Change(group.code_id, self._iteration, take, drop)
            group.transport.tell(group.members[worker], change)
