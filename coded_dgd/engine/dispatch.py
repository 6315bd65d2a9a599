"""Assign tasks to workers while an iteration runs, for schemes that decide then."""

from __future__ import annotations

from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Task
from coded_dgd.schemes.dynamic import BlockProgress, DynamicScheme

AHEAD = 2
"""Number of unfinished tasks that a worker has been sent, so that it never has to wait."""


class Dispatcher:
    """Asks a dynamic scheme for tasks, and sends them to the workers.

    Parameters
    ----------
    group : WorkerGroup
    scheme : DynamicScheme
        The scheme of the group.
    """

    def __init__(self, group: WorkerGroup, scheme: DynamicScheme) -> None:
        self._group, self._scheme = group, scheme
        self._held = [scheme.held(worker).tolist() for worker in range(scheme.workers)]
        self._iteration = 0
        self._progress = BlockProgress()
        self._ahead = [0] * scheme.workers

    def begin(self, iteration: int) -> None:
        """Send the first tasks of an iteration. Call it after the point has been sent."""
        self._iteration, self._progress = iteration, BlockProgress()
        self._ahead = [0] * self._scheme.workers
        self.refill()

    def finish(self, worker: int, number: int) -> None:
        """Note that the message of a task has arrived."""
        self._progress.finished.add(self._held[worker][number])
        self._ahead[worker] -= 1

    def refill(self) -> None:
        """Send tasks to the workers that have fewer than `AHEAD`, one to each in turn."""
        lost = set(self._group.lost)
        for ahead in range(AHEAD):
            for worker in range(self._scheme.workers):
                if self._ahead[worker] <= ahead and worker not in lost:
                    self._tell(worker)

    def _tell(self, worker: int) -> None:
        """Send a worker its next task, if there is one."""
        number = self._scheme.next_task(worker, self._progress)
        if number is not None:
            self._progress.begun[self._held[worker][number]].append(worker)
            self._ahead[worker] += 1
            task = Task(self._group.code_id, self._iteration, number)
            self._group.transport.tell(self._group.members[worker], task)
