"""The progress of the blocks in one iteration, as rank 0 sees it."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

INSTANT = 1e-9
"""Seconds that count for a block when no time has passed, and nothing is known."""


class BlockProgress:
    """This object tells what each worker does and has done in an iteration of a dynamic scheme.

    Times are in seconds after the departure of beta_t. A worker begins with the first block of its
    list. As soon as it is done with a block, it begins the next one of its list.

    Parameters
    ----------
    workers, blocks : int
        M and N.

    Attributes
    ----------
    now : float
        The current time.
    lists : list of list of int
        Blocks that each worker is to compute, in order. It computes the first one now.
    begun : list of list of int
        Workers that compute each block now, in the order in which they began.
    waiting : list of list of int
        Workers in whose lists each block waits behind other blocks.
    refused : list of list of int
        Workers whose result for each block could not be used.
    finished : set of int
        Blocks whose result has arrived.
    lost : set of int
        Workers that compute nothing more.
    done : list of int
        Number of results of each worker that have arrived.
    latest : list of float
        Time of the latest of these results; 0 if there is none.
    since : list of float
        Time since which each worker computes the first block of its list, or has an empty list.
    speeds : Speeds
        Expected speed of each worker in blocks per second, by worker; 0 for a lost one.
    """

    def __init__(self, workers: int, blocks: int) -> None:
        self.now = 0.0
        self.lists: list[list[int]] = [[] for _ in range(workers)]
        self.begun: list[list[int]] = [[] for _ in range(blocks)]
        self.waiting: list[list[int]] = [[] for _ in range(blocks)]
        self.refused: list[list[int]] = [[] for _ in range(blocks)]
        self.finished: set[int] = set()
        self.lost: set[int] = set()
        self.done = [0] * workers
        self.latest = [0.0] * workers
        self.since = [0.0] * workers
        self.speeds = Speeds(self)

    def advance(self, now: float) -> None:
        """Set the current time."""
        self.now = now
        self.speeds.clear()

    def expected_end(self, worker: int, block: int) -> float:
        """Return the time at which a worker is expected to finish a block of its list."""
        ahead = self.lists[worker].index(block)
        return self.since[worker] + (ahead + 1) / self.speeds[worker]

    def is_on_time(self, worker: int) -> bool:
        """Return whether a worker has computed the first block of its list for less than its mean.

        A worker that has finished no block is not on time, since nothing is known about it.
        """
        done, current = self.done[worker], self.now - self.since[worker]
        return done > 0 and current <= self.latest[worker] / done

    def late_at(self, worker: int, seconds: float) -> float:
        """Return the time at which a worker is late with the first block of its list.

        It is late if it has computed the block for longer than its mean and than so many seconds.
        """
        done = self.done[worker]
        usual = self.latest[worker] / done if done else 0.0
        return self.since[worker] + max(usual, seconds)

    def expected_free(self, worker: int) -> float:
        """Return the time at which a worker is expected to be done with its list.

        It is inf for a worker that has finished no block, since nothing is known about it.
        """
        blocks, done = self.lists[worker], self.done[worker]
        if not blocks:
            return self.now
        return self.since[worker] + len(blocks) * self.latest[worker] / done if done else inf


class Later(NamedTuple):
    """The answer that there is no task for a worker before an instant."""

    instant: float
    """Time in seconds at which to ask again."""


class Speeds(dict[int, float]):
    """The expected speed of each worker in blocks per second, computed when it is asked for.

    The time of a block is the mean so far. If the worker has computed its current block for longer,
    or has finished none, it is twice the time for which it has computed the current block: the
    longer it has taken, the longer it will take.
    """

    def __init__(self, progress: BlockProgress) -> None:
        self._progress = progress

    def __missing__(self, worker: int) -> float:
        progress, done = self._progress, self._progress.done[worker]
        if done:
            seconds, current = progress.latest[worker] / done, progress.now - progress.since[worker]
            if current > seconds and progress.lists[worker]:
                seconds = 2 * current
        else:
            seconds = 2 * progress.now
        self[worker] = speed = 0.0 if worker in progress.lost else 1 / (seconds or INSTANT)
        return speed
