"""Which worker keeps the result of which block, and who is asked for which sum of them.

Workers of a group that combines report finished tasks and keep the results. Once every block is
kept by a worker, each of these workers is asked for one sum. If a worker is lost, or its sum cannot
be used or is overdue, only its blocks are computed again, and collected in a further round.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from coded_dgd.schemes.dynamic import DynamicScheme

OVERDUE_SECONDS, OVERDUE_GAPS = 1.0, 4.0
"""Sums are overdue if none has arrived for so many seconds, and so many times the longest time
between two of them. Before the first one nothing is known of how long a sum takes."""


class Request(NamedTuple):
    """The request to a worker for a sum of results."""

    worker: int
    number: int
    """Number of the message that carries the sum, which no other sum of the iteration has."""
    tasks: list[int]
    """Tasks of the worker whose results are added up."""


class Collection:
    """The results that workers keep in an iteration, until their sums have arrived.

    Parameters
    ----------
    scheme : DynamicScheme
    """

    def __init__(self, scheme: DynamicScheme) -> None:
        self._held = [scheme.held(worker).tolist() for worker in range(scheme.workers)]
        self._iteration = -1
        self.begin(0)

    def begin(self, iteration: int) -> None:
        """Begin or repeat an iteration: nothing is kept, and sums on their way are not used."""
        if iteration != self._iteration:
            self._iteration, first = iteration, max(map(len, self._held))
            self.numbers = range(first, first)
            """Numbers of the sums that have been asked for, which are not those of tasks."""
        self._keepers: dict[int, list[tuple[int, int]]] = {
            block: [] for held in self._held for block in held
        }
        """Pairs (worker, task) that keep the result of each block that has not arrived, in the
        order of their reports."""
        self._unasked = set[int]()
        """Blocks that are kept, and are in no request."""
        self._requests: dict[int, Request] = {}
        self._since = self._longest_gap = 0.0
        self._arrived = False
        """Whether some sum has arrived."""

    def is_sum(self, worker: int, number: int) -> bool:
        """Return whether a message of this number carries a sum, rather than report a task."""
        return number >= len(self._held[worker])

    def keep(self, worker: int, task: int) -> bool:
        """Note that a worker keeps the result of a task; return False if that is known."""
        block = self._held[worker][task]
        keepers = self._keepers.get(block)
        if keepers is None:  # the block has arrived
            return True
        if (worker, task) in keepers:
            return False
        if not keepers:
            self._unasked.add(block)
        keepers.append((worker, task))
        return True

    @property
    def overdue_at(self) -> float:
        """Time in seconds at which the sums that have been asked for are overdue; inf for never."""
        if not self._requests or not self._arrived:
            return inf
        return self._since + max(OVERDUE_SECONDS, OVERDUE_GAPS * self._longest_gap)

    def give_up(self, now: float) -> list[tuple[int, list[int]]]:
        """Use no sum that has been asked for; return the workers and the tasks of their sums."""
        self._note(now)
        workers = sorted({each.worker for each in self._requests.values()})
        return [(worker, self.refuse(worker, None)) for worker in workers]

    def _note(self, now: float) -> None:
        """Note that sums have arrived, or have been waited for, until now."""
        self._longest_gap, self._since = max(self._longest_gap, now - self._since), now

    def ask(self, now: float) -> list[Request]:
        """Return requests for the blocks that are kept and are in no request.

        Blocks are asked of the worker that reported them first.
        """
        if not self._requests:
            self._since = now
        tasks: dict[int, list[int]] = {}
        for block in self._unasked:
            worker, task = self._keepers[block][0]
            tasks.setdefault(worker, []).append(task)
        self._unasked.clear()
        requests = []
        for number, worker in enumerate(sorted(tasks), self.numbers.stop):
            self._requests[number] = Request(worker, number, sorted(tasks[worker]))
            requests.append(self._requests[number])
        self.numbers = range(self.numbers.start, self.numbers.stop + len(requests))
        return requests

    def take(self, worker: int, number: int, now: float) -> list[int]:
        """Note that a sum has arrived; return its tasks, none if it is not waited for."""
        if number not in self._requests or self._requests[number].worker != worker:
            return []
        self._note(now)
        self._arrived = True
        tasks = self._requests.pop(number).tasks
        for task in tasks:
            del self._keepers[self._held[worker][task]]
        return tasks

    def refuse(self, worker: int, number: int | None) -> list[int]:
        """Return the tasks of a sum that cannot be used: of all sums to come if it is unknown."""
        tasks = []
        for each in [*self._requests.values()]:
            if each.worker == worker and number in (each.number, None):
                tasks += self._requests.pop(each.number).tasks
        self._forget(worker, tasks)
        return tasks

    def lose(self, worker: int) -> list[int]:
        """Return the tasks whose results are lost with a worker."""
        asked = self.refuse(worker, None)
        kept = [
            task
            for task, block in enumerate(self._held[worker])
            if (worker, task) in self._keepers.get(block, ())
        ]
        self._forget(worker, kept)
        return asked + kept

    def _forget(self, worker: int, tasks: Iterable[int]) -> None:
        """Note that a worker does not keep the results of these tasks any more."""
        for task in tasks:
            block = self._held[worker][task]
            keepers = self._keepers[block]
            first = keepers[0] == (worker, task)
            keepers.remove((worker, task))
            if first and keepers:
                self._unasked.add(block)
            elif first:
                self._unasked.discard(block)

    def is_kept(self, worker: int, task: int) -> bool:
        """Return whether some worker keeps the result of the block of a task."""
        return bool(self._keepers[self._held[worker][task]])
