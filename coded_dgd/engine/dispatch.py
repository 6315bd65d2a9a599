"""Assign tasks to workers while an iteration runs, for schemes that decide then."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Task
from coded_dgd.errors import UsageError, answer, shown
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

    def refuse(self, worker: int) -> None:
        """Note that a message of a worker cannot be used; others may compute the task."""
        self._ahead[worker] -= 1

    def refill(self) -> None:
        """Send tasks to the workers that have fewer than `AHEAD`, one to each in turn.

        Raises
        ------
        UsageError
            If `next_task` raises, returns what is no task, or leaves every worker without a task
            while blocks are missing, so that nothing more would arrive.
        """
        lost = set(self._group.lost)
        for ahead in range(AHEAD):
            for worker in range(self._scheme.workers):
                if self._ahead[worker] <= ahead and worker not in lost:
                    self._tell(worker)
        missing = set[int]().union(*self._held) - self._progress.finished
        if missing and not lost and not any(self._ahead):
            self._refuse(
                f"returned None for every worker, though block {min(missing)} has not arrived: "
                "return a task for a worker that holds it"
            )

    def _tell(self, worker: int) -> None:
        """Send a worker its next task, if there is one."""
        number = self._ask(worker)
        if number is not None:
            self._progress.begun[self._held[worker][number]].append(worker)
            self._ahead[worker] += 1
            task = Task(self._group.code_id, self._iteration, number)
            self._group.transport.tell(self._group.members[worker], task)

    def _ask(self, worker: int) -> int | None:
        """Return the position of a worker's next task; refuse what is none in one line."""
        who = f"scheme {self._scheme.name}: next_task"
        number = answer(who, lambda: self._scheme.next_task(worker, self._progress))
        if number is None:
            return None
        last = len(self._held[worker]) - 1
        if not isinstance(number, (int, np.integer)) or not 0 <= number <= last:
            self._refuse(
                f"returned {shown(number)} for worker {worker}, and has to return a position in "
                f"held({worker}), from 0 to {last}, or None"
            )
        return int(number)

    def _refuse(self, fault: str) -> NoReturn:
        raise UsageError(f"scheme {self._scheme.name}: next_task {fault}")
