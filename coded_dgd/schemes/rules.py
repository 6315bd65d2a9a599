"""Rules that say when the messages that have arrived suffice, each with its two faster twins.

A rule is written once, as `Rule.holds`. `Rule.counter` looks at each message of an iteration once,
and `Rule.completion_time` at many iterations at a time; `Rule` has slower ones, made of `holds`,
for rules of one's own. Theory is exact for those that it knows: `Count` and `Coverage`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counter = Callable[[int, int], bool]
"""Takes the messages of an iteration as they come, by worker and message: see `Rule.counter`."""


class Rule(ABC):
    """When the messages of an iteration suffice; monotone in what has arrived."""

    @abstractmethod
    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        """Whether the messages that have arrived suffice.

        Parameters
        ----------
        arrived : (M, J) bools
            Marks the messages that have arrived.
        lost : collection of int
            Workers of which nothing more can be expected.
        """

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
        """Count the messages of one iteration, so that none is looked at twice.

        Parameters
        ----------
        shape : (M, J)
        lost : collection of int
            Workers of which nothing more can be expected; looked at whenever a message arrives.

        Returns
        -------
        callable
            Takes a message that has arrived, each once, and returns whether all so far suffice:
            `holds` of them. After it has returned True it is not called again.
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
        """Return the instant from which the rule holds, where no worker is lost.

        Parameters
        ----------
        times : (realisations, M, J) array
            Arrival time of each message in seconds, inf where there is none.

        Returns
        -------
        (realisations,) array
        """
        completion = np.full(len(times), inf)
        for number, each in enumerate(times):
            instants = np.unique(each[np.isfinite(each)])
            first = bisect_left(
                range(len(instants)), True, key=lambda k: self.holds(each <= instants[k])
            )
            if first < len(instants):
                completion[number] = instants[first]
        return completion


@dataclass(eq=False)
class Count(Rule):
    """Holds when `threshold` of the messages marked in `counted` have arrived."""

    threshold: int
    counted: Bools
    """Array of shape (M, J)."""
    or_everyone: bool = False
    """Whether message j of every worker, for any j, suffices as well."""

    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        everyone = self.or_everyone and bool(arrived.all(axis=0).any())
        return everyone or int(np.count_nonzero(arrived & self.counted)) >= self.threshold

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
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
    def _counts(self) -> list[list[bool]]:
        """`counted` for looking up single messages, which are slow to get from an array."""
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
    """Holds when the messages that have arrived carry `needed` different blocks."""

    needed: int
    block: Integers
    """Block that each message carries, of shape (M, J)."""

    def holds(self, arrived: Bools, lost: Collection[int] = ()) -> bool:
        return len(np.unique(self.block[arrived])) >= self.needed

    def counter(self, shape: tuple[int, ...], lost: Collection[int] = ()) -> Counter:
        blocks, covered = self._blocks, set[int]()

        def take(worker: int, message: int) -> bool:
            covered.add(blocks[worker][message])
            return len(covered) >= self.needed

        return take

    @cached_property
    def _blocks(self) -> list[list[int]]:
        """`block` for looking up single messages, which are slow to get from an array."""
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
    """Holds when all messages of `needed` workers have arrived, or of all that still can send.

    Workers without messages do not count. As a worker's messages arrive in order, what is counted
    is the last message of each.

    Parameters
    ----------
    needed : int
    expected : (M, J) bools
        Marks the messages that exist.
    """

    def __init__(self, needed: int, expected: Bools) -> None:
        last = expected.copy()
        last[:, :-1] &= ~expected[:, 1:]
        self.expected = expected
        self.busy: Bools = np.logical_or.reduce(expected, axis=1)
        """Marks the workers that have messages to send, of shape (M,)."""
        self.workers = int(np.count_nonzero(self.busy))
        """Number of these."""
        super().__init__(min(needed, self.workers), last)

    def finished(self, arrived: Bools) -> Bools:
        """Mark the workers that have messages to send, and all of whose messages have arrived."""
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
        finished = 0

        def take(worker: int, message: int) -> bool:
            nonlocal finished
            left[worker] -= 1
            finished += not left[worker]
            return self._suffice(finished, sum(left[each] > 0 for each in lost))

        return take

    def fewest(self, lost: Collection[int] = ()) -> int:
        return max(1, min(self.threshold, self.workers - len(lost)))

    def completion_time(self, times: Floats) -> Floats:
        finished = np.where(self.expected, times, -inf).max(axis=2)[:, self.busy]
        return kth_smallest(finished, self.threshold)


def kth_smallest(times: Floats, k: int) -> Floats:
    """Instant of the k-th of all events: (realisations, ...) -> (realisations,)."""
    flat = times.reshape(len(times), -1)
    kth: Floats = np.partition(flat, k - 1, axis=1)[:, k - 1]
    return kth
