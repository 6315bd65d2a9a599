"""The scheduler keeps the lists of tasks of all workers while an iteration runs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import inf
from typing import NamedTuple, NoReturn

import numpy as np

from coded_dgd.errors import UsageError, answer, shown
from coded_dgd.schemes.base import Scheme
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.schemes.progress import BlockProgress, Later

LOOK_AHEAD = 0.003
"""Seconds before a worker is expected to be done with its list at which it is given a task."""
WORDS = 2.5
"""Largest number of words per block in an iteration without losses.

An iteration that lasts `EXTENSION` times as long as these words have sufficed gets as many again:
workers that compute nothing more may not be known to be lost."""
EXTENSION = 2.0
"""Time at which there are more words, relative to the time at which some were missing."""
RESERVED = 0.5
"""Number of these words that only give a worker a task that others compute, too."""
DIGITS = 9
"""Digits to which times are rounded, so that decisions do not depend on rounding errors."""
NONE = -1
"""Number that stands for no task."""


def decision_seconds(scheme: Scheme) -> float:
    """Return a rough forecast of the seconds for which rank 0 decides for each result.

    Most of this time `next_task` looks through the r blocks of a worker.
    """
    return 1e-6 * (10 + scheme.load)


class Word(NamedTuple):
    """A word tells one worker to change its list of tasks."""

    worker: int
    take: int
    """Task to add at the end of the list; `NONE` for none."""
    drop: int
    """Task to drop from the list, or to break off if it is under way; `NONE` for none."""


class Scheduler:
    """Asks a dynamic scheme for tasks, and says which words tell the workers about them.

    The same decisions follow from the same events, over any transport and in virtual time. Times
    are in seconds after the departure of beta_t.

    Parameters
    ----------
    scheme : DynamicScheme
    """

    def __init__(self, scheme: DynamicScheme) -> None:
        self._scheme = scheme
        self._held = [scheme.held(worker).tolist() for worker in range(scheme.workers)]
        self._numbers = [{block: n for n, block in enumerate(held)} for held in self._held]
        self._needed = set[int]().union(*self._held)
        self.words_sent = 0
        """Number of words in this iteration."""
        self.begin([[] for _ in self._held])

    def begin(self, lists: Sequence[Iterable[int]], lost: Iterable[int] = ()) -> None:
        """Begin an iteration.

        Parameters
        ----------
        lists : sequence of iterable of int
            Tasks with which each worker begins.
        lost : iterable of int
            Workers that compute nothing.
        """
        self.progress = progress = BlockProgress(self._scheme.workers, self._scheme.blocks)
        progress.lost.update(lost)
        self.words_sent = 0
        self._budget = int(WORDS * self._scheme.blocks)
        self._more_at = inf
        """Time from which there are more words; inf while no worker has missed any."""
        self._drops: dict[int, list[int]] = {}
        self._takes: dict[int, list[int]] = {}
        self._pending = 0
        self._short: list[tuple[float, int, int]] = []
        """Workers with at most one task, by the time at which they need another."""
        self._version = [0] * self._scheme.workers
        self._asleep: set[int] = set()
        """Workers that are asked for as soon as something is lost, or at an instant in `_short`."""
        for worker, numbers in enumerate(lists):
            if worker not in progress.lost:
                progress.lists[worker] = [self._held[worker][number] for number in numbers]
                for block in progress.lists[worker]:
                    progress.waiting[block].append(worker)
                self._start(worker)

    @property
    def complete(self) -> bool:
        """Whether the result of every block has arrived."""
        return len(self.progress.finished) >= len(self._needed)

    def finish(self, worker: int, number: int, now: float) -> None:
        """Note that the result of a task has arrived."""
        progress, block = self.progress, self._held[worker][number]
        progress.advance(round(now, DIGITS))
        progress.latest[worker] = progress.now
        progress.done[worker] += 1
        self._remove(worker, block)
        if block in progress.finished:
            return
        progress.finished.add(block)
        for other in [*progress.begun[block], *progress.waiting[block]]:
            if self._affordable(1):
                self._drop(other, block)

    def refuse(self, worker: int, number: int | None, now: float) -> None:
        """Note that a result of a worker cannot be used, if known that of a task."""
        self.progress.advance(round(now, DIGITS))
        blocks = self.progress.lists[worker][:1] if number is None else [self._held[worker][number]]
        for block in blocks:
            self._remove(worker, block)
            self.progress.refused[block].append(worker)
        self._wake()

    def reopen(self, worker: int, number: int) -> None:
        """Note that the result of a task, which has finished, is lost: it is to be done again.

        Call `refuse`, `lose` or `wake` next, which ask for the workers that have nothing to do.
        """
        self.progress.finished.discard(self._held[worker][number])

    def wake(self, now: float) -> None:
        """Ask for all workers that have nothing to do."""
        self.progress.advance(round(now, DIGITS))
        self._wake()

    def lose(self, worker: int, now: float) -> None:
        """Note that a worker computes nothing more."""
        self.progress.advance(round(now, DIGITS))
        for block in [*self.progress.lists[worker]]:
            self._remove(worker, block)
        self.progress.lost.add(worker)
        self._wake()

    def words(self, now: float) -> list[Word]:
        """Give tasks to the workers that need some; return the words that tell all news.

        There are none once every block has arrived.

        Raises
        ------
        UsageError
            If `next_task` raises, returns what is no task, or leaves every worker without a task
            while blocks are missing, so that nothing more would arrive.
        """
        progress, short = self.progress, self._short
        progress.advance(round(now, DIGITS))
        if self.complete:
            return []
        if progress.now >= self._more_at:
            self._budget += int(WORDS * self._scheme.blocks)
            self._more_at = inf
        while short and short[0][0] <= progress.now + LOOK_AHEAD:
            _, worker, version = heapq.heappop(short)
            if version == self._version[worker] and worker not in progress.lost:
                self._give(worker)
        self._refuse_standstill()
        return self._flush()

    @property
    def next_instant(self) -> float:
        """Time at which to call `words` again even if nothing has happened; inf for never."""
        if self.complete or not self._short:
            return inf
        instant = max(self._short[0][0] - LOOK_AHEAD, self.progress.now)
        above = 2 * 10.0**-DIGITS  # so that a rounded time is not before the instant
        return round(instant, DIGITS) + above

    def _give(self, worker: int) -> None:
        """Give a worker one more task, if there is one and enough words are left."""
        progress, number = self.progress, self._ask(worker)
        self._asleep.add(worker)
        if number is None:
            return
        if isinstance(number, Later):
            self._ask_at(number.instant, worker)
            return
        block = self._held[worker][number]
        if not (
            self._affordable(1, of_all=True)
            if progress.begun[block]
            else self._affordable(2) or not progress.waiting[block]
        ):
            self._more_at = min(self._more_at, EXTENSION * progress.now + LOOK_AHEAD)
            self._ask_at(self._more_at, worker)
            return
        self._asleep.remove(worker)
        if not progress.begun[block]:
            for other in [*progress.waiting[block]]:
                self._drop(other, block)
        progress.lists[worker].append(block)
        progress.waiting[block].append(worker)
        self._takes.setdefault(worker, []).append(self._numbers[worker][block])
        self._pending += 1
        if len(progress.lists[worker]) == 1:
            self._start(worker)
        else:
            self._touch(worker)

    def _ask_at(self, instant: float, worker: int) -> None:
        """Ask for a worker again at an instant, unless its list changes before."""
        heapq.heappush(self._short, (instant + LOOK_AHEAD, worker, self._version[worker]))

    def _drop(self, worker: int, block: int) -> None:
        """Take a block from the list of a worker, and tell it unless it has not heard of it."""
        self._remove(worker, block)
        number = self._numbers[worker][block]
        if number in self._takes.get(worker, []):
            self._takes[worker].remove(number)  # it has cost a word, so that this comes to an end
            return
        self._drops.setdefault(worker, []).append(number)
        self._pending += 1

    def _remove(self, worker: int, block: int) -> None:
        """Take a block from the list of a worker, if it is there."""
        blocks = self.progress.lists[worker]
        if block not in blocks:
            return
        first = blocks[0] == block
        blocks.remove(block)
        (self.progress.begun if first else self.progress.waiting)[block].remove(worker)
        if first:
            self._start(worker)
        else:
            self._touch(worker)

    def _start(self, worker: int) -> None:
        """Note that a worker begins the first block of its list, or has an empty one."""
        progress = self.progress
        progress.since[worker] = progress.now
        if progress.lists[worker]:
            block = progress.lists[worker][0]
            progress.waiting[block].remove(worker)
            progress.begun[block].append(worker)
        self._touch(worker)

    def _touch(self, worker: int) -> None:
        """Note that the list of a worker has changed."""
        self._version[worker] += 1
        self.progress.speeds.pop(worker, None)
        if len(self.progress.lists[worker]) < 2:
            free = self.progress.expected_free(worker)
            if free < inf:
                heapq.heappush(self._short, (free, worker, self._version[worker]))

    def _wake(self) -> None:
        """Ask for all workers again, since blocks may be left to nobody."""
        for worker in sorted(self._asleep):
            self._touch(worker)
        self._asleep.clear()

    def _affordable(self, words: int, of_all: bool = False) -> bool:
        """Return whether so many words are left, of all or without those that are reserved."""
        reserved = 0 if of_all else int(RESERVED * self._scheme.blocks)
        return self.words_sent + self._pending + words <= self._budget - reserved

    def _flush(self) -> list[Word]:
        """Return the words that tell all changes; one word can tell of a drop and a take."""
        words: list[Word] = []
        if not self._drops and not self._takes:
            return words
        for worker in {**self._drops, **self._takes}:
            drops, takes = self._drops.get(worker, []), self._takes.get(worker, [])
            if not {*drops}.isdisjoint(takes):  # a word that drops a task must not follow
                drops, takes = [*drops, *[NONE] * len(takes)], [*[NONE] * len(drops), *takes]
            words += [Word(worker, *each) for each in zip_longest(takes, drops, fillvalue=NONE)]
        self._drops, self._takes, self._pending = {}, {}, 0
        self.words_sent += len(words)
        return words

    def _ask(self, worker: int) -> int | Later | None:
        """Return a worker's next task; refuse what is none in one line."""
        who = f"scheme {self._scheme.name}: next_task"
        number = answer(who, lambda: self._scheme.next_task(worker, self.progress))
        if number is None:
            return None
        if isinstance(number, Later) and number.instant > self.progress.now:
            return number
        last = len(self._held[worker]) - 1
        if not isinstance(number, (int, np.integer)) or not 0 <= number <= last:
            self._refuse(
                f"returned {shown(number)} for worker {worker}, and has to return a position in "
                f"held({worker}), from 0 to {last}, or None"
            )
        if self._held[worker][number] in self.progress.lists[worker]:
            self._refuse(f"returned {number} for worker {worker}, in whose list that task is")
        return int(number)

    def _refuse_standstill(self) -> None:
        progress = self.progress
        idle = not progress.lost and not any(progress.lists) and not any(progress.refused)
        if idle and not self.complete:
            missing = min(self._needed - progress.finished)
            self._refuse(
                f"returned None for every worker, though block {missing} has not arrived: return a "
                "task for a worker that holds it"
            )

    def _refuse(self, fault: str) -> NoReturn:
        raise UsageError(f"scheme {self._scheme.name}: next_task {fault}")
