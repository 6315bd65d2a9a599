"""A rule says when the messages that have arrived suffice.

`Rule.holds` defines the rule. `Rule.counter` takes the messages of one iteration one by one, and
`Rule.completion_time` evaluates many iterations at once. `Rule` implements both by `holds`; the
subclasses here have faster versions. Theory is exact for `Count` and `Coverage`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from coded_dgd.schemes.counters import Countdown, Counter, Covering

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Rule(ABC):
    """A rule says when messages suffice. It is monotone: further arrivals never make it false."""

    @abstractmethod
    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        """Return whether the messages that have arrived suffice.

        Parameters
        ----------
        arrived : (M, J) bools
            Marks the messages that have arrived.
        lost : collection of int
            Workers that will send nothing more.
        """

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
        """Return a counter for the messages of one iteration.

        Parameters
        ----------
        shape : (M, J)
            Shape of the array of messages.
        lost : collection of int
            Workers that will send nothing more. The counter reads it whenever a message arrives.

        Returns
        -------
        callable
            Call it once for each message that arrives, with worker and message number. It returns
            whether all messages so far suffice. Do not call it again after it has returned True.
        """
        arrived = np.zeros(shape, dtype=np.bool_)

        def take(worker: int, message: int) -> bool:
            arrived[worker, message] = True
            return self.holds(arrived, lost)

        return take

    def fewest(self, lost: Collection[int] = ()) -> int:
        """Return a number of messages below which the rule cannot hold, 1 or more.

        Parameters
        ----------
        lost : collection of int
            Workers of which nothing more can be expected.
        """
        del lost
        return 1

    def completion_time(self, times: Floats) -> Floats:
        """Return the instant from which the rule holds, if no worker is lost.

        Parameters
        ----------
        times : (realisations, M, J) array
            Arrival time of each message in seconds; inf if it never arrives.

        Returns
        -------
        (realisations,) array
            Seconds; inf if the rule never holds.
        """
        completion = np.full(len(times), inf)
        for number, each in enumerate(times):
            instants = np.unique(each[np.isfinite(each)])
            first = bisect_left(
                range(len(instants)), True, key=lambda k: self.holds(each <= instants[k], ())
            )
            if first < len(instants):
                completion[number] = instants[first]
        return completion


@dataclass(eq=False)
class Count(Rule):
    """The rule holds when `threshold` of the messages marked in `counted` have arrived."""

    threshold: int
    counted: Bools
    """Marks of the messages that count, of shape (M, J)."""
    or_everyone: bool = False
    """Whether message j of every worker, for any j, also suffices."""

    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        everyone = self.or_everyone and bool(arrived.all(axis=0).any())
        return everyone or int(np.count_nonzero(arrived & self.counted)) >= self.threshold

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
        if self._counts_all and not self.or_everyone:
            return Countdown(max(1, self.threshold))
        counts, threshold, here = self._counts, self.threshold, 0
        workers, senders = shape[0], [0] * shape[1]

        def take(worker: int, message: int) -> bool:
            nonlocal here
            here += counts[worker][message]
            return here >= threshold

        def take_or_everyone(worker: int, message: int) -> bool:
            senders[message] += 1
            return take(worker, message) or senders[message] == workers

        return take_or_everyone if self.or_everyone else take

    @cached_property
    def _counts_all(self) -> bool:
        """Whether all messages count."""
        return bool(self.counted.all())

    @cached_property
    def _counts(self) -> list[list[bool]]:
        """Nested lists of `counted`, because single lookups in an array are slow."""
        counts: list[list[bool]] = self.counted.tolist()
        return counts

    def fewest(self, lost: Collection[int] = ()) -> int:
        everyone = len(self.counted) if self.or_everyone else self.threshold
        return max(1, min(self.threshold, everyone))

    def completion_time(self, times: Floats) -> Floats:
        completion = kth_smallest(np.where(self.counted, times, inf), self.threshold)
        if not self.or_everyone:
            return completion
        everyone: Floats = times.max(axis=1).min(axis=1)
        return np.minimum(completion, everyone)


@dataclass(eq=False)
class Coverage(Rule):
    """The rule holds when the messages that have arrived carry `needed` different blocks."""

    needed: int
    block: Integers
    """Block that each message carries, of shape (M, J)."""

    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        return len(np.unique(self.block[arrived])) >= self.needed

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
        return Covering(max(1, self.needed), self._blocks)

    @cached_property
    def _blocks(self) -> list[list[int]]:
        """Nested lists of `block`, because single lookups in an array are slow."""
        blocks: list[list[int]] = self.block.tolist()
        return blocks

    def fewest(self, lost: Collection[int] = ()) -> int:
        return max(1, self.needed)

    def completion_time(self, times: Floats) -> Floats:
        flat = times.reshape(len(times), -1)
        by_block = np.argsort(self.block, axis=None, kind="stable")
        _, first = np.unique(self.block.ravel()[by_block], return_index=True)
        covered = np.minimum.reduceat(flat[:, by_block], first, axis=1)
        return kth_smallest(covered, self.needed)


class Finished(Count):
    """The rule holds when `needed` workers, or all that are not lost, have sent all messages.

    Workers without messages do not count. The messages of a worker arrive in order, so it is
    enough to count the last message of each worker.

    Parameters
    ----------
    needed : int
        Number of workers.
    expected : (M, J) bools
        Marks the messages that exist.
    """

    def __init__(self, needed: int, expected: Bools) -> None:
        last = expected.copy()
        last[:, :-1] &= ~expected[:, 1:]
        self.expected = expected
        self.busy: Bools = np.logical_or.reduce(expected, axis=1)
        """Marks of the workers that have messages to send, of shape (M,)."""
        self.workers = int(np.count_nonzero(self.busy))
        """Number of workers that have messages to send."""
        super().__init__(min(needed, self.workers), last)

    def finished(self, arrived: Bools) -> Bools:
        """Return marks, of shape (M,), of the busy workers whose messages have all arrived."""
        finished: Bools = np.logical_and.reduce(arrived | ~self.expected, axis=1)
        return finished & self.busy

    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        finished = self.finished(arrived)
        without = sum(bool(self.busy[worker] and not finished[worker]) for worker in lost)
        return self._suffice(int(np.count_nonzero(finished)), without)

    def _suffice(self, finished: int, lost: int) -> bool:
        return finished >= max(1, min(self.threshold, self.workers - lost))

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
        left: list[int] = self.expected.sum(axis=1).tolist()
        finished, needed = 0, max(1, self.threshold)

        def take(worker: int, message: int) -> bool:
            nonlocal finished
            left[worker] -= 1
            finished += not left[worker]
            if not lost:
                return finished >= needed
            return self._suffice(finished, sum(left[each] > 0 for each in lost))

        return take

    def fewest(self, lost: Collection[int] = ()) -> int:
        return max(1, min(self.threshold, self.workers - len(lost)))

    def completion_time(self, times: Floats) -> Floats:
        finished = np.where(self.expected, times, -inf).max(axis=2)[:, self.busy]
        return kth_smallest(finished, self.threshold)


def kth_smallest(times: Floats, k: int) -> Floats:
    """Return the k-th smallest time of each realisation: (realisations, ...) -> (realisations,)."""
    flat = times.reshape(len(times), -1)
    kth: Floats = np.partition(flat, k - 1, axis=1)[:, k - 1]
    return kth
