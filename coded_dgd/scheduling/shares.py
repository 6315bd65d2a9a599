"""Workers begin with shares of the blocks in proportion to their speed, which is learnt."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from coded_dgd.scheduling.pace import LearntPace
from coded_dgd.schemes.base import Floats
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.schemes.progress import BlockProgress

WORTHWHILE = 1.05
"""Factor by which the lists of before may take longer than new ones."""


class Shares:
    """The lists of tasks with which the workers of a dynamic scheme begin an iteration.

    Parameters
    ----------
    scheme : DynamicScheme
    """

    def __init__(self, scheme: DynamicScheme) -> None:
        self._scheme = scheme
        self.lists: list[list[int]] = [scheme.own_tasks(w).tolist() for w in range(scheme.workers)]
        """Own tasks of each worker, as positions among the blocks that it holds."""
        self._pace = LearntPace()
        self._divided: list[float] = []
        """The times per block by which the lists were made; empty for those of the scheme."""
        self._numbers = [
            {block: number for number, block in enumerate(scheme.held(worker).tolist())}
            for worker in range(scheme.workers)
        ]
        self._holders: list[list[int]] = [[] for _ in range(scheme.blocks)]
        for worker, numbers in enumerate(self._numbers):
            own = {*self.lists[worker]}
            for block, number in numbers.items():
                self._holders[block].insert(0 if number in own else scheme.workers, worker)
        self._lost: set[int] = set()
        self._best = 1.0
        """Time of the lists when they were made, relative to work split perfectly by speed."""

    def observe(self, progress: BlockProgress) -> None:
        """Learn the speed of the workers from an iteration that is complete now.

        A worker that has finished n blocks, and has had more to do, took at least 1 / (n + 1) of
        the iteration for a block.
        """
        if not self._scheme.shares_by_speed:
            return
        found = []
        for worker, done in enumerate(progress.done):
            seconds = progress.latest[worker] / done if done else 0.0
            if progress.lists[worker] or not done:
                seconds = max(seconds, progress.now / (done + 1))
            if not done and self._pace.seconds:
                seconds = max(seconds, self._pace.seconds[worker])
            found.append(max(seconds, 1e-9))
        self._pace.observe(found, progress.lost)

    def divide(self, lost: Collection[int] = ()) -> list[list[int]]:
        """Return the list of each worker for an iteration without the workers that are lost."""
        if not self._pace.seconds:
            return self.lists
        lasting = self._pace.lasting
        excess = self._excess(_speed(lasting, lost))
        if self._lost != {*lost} or excess > WORTHWHILE * self._best:
            self._make(lasting, {*lost})
        return self.lists

    def _make(self, seconds: list[float], lost: set[int]) -> None:
        """Make the lists, given the time per block of each worker and the workers that are lost."""
        speed = _speed(seconds, lost)
        self.lists = [[] for _ in self.lists]
        for block, owner in enumerate(balanced(self._holders, speed)):
            if owner >= 0:
                self.lists[owner].append(self._numbers[owner][block])
        self._divided, self._lost, self._best = seconds, lost, self._excess(speed)

    def _excess(self, speed: Floats) -> float:
        """Return the time of the lists, relative to that of work split perfectly by speed."""
        counts = np.array([len(each) for each in self.lists])
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(counts > 0, counts / speed, 0.0)
        return float(times.max() * speed.sum() / self._scheme.blocks)

    def state(self) -> list[list[float]] | None:
        """Return what has been learnt, for a checkpoint.

        Returns
        -------
        list of three lists of float, or None
            Mean time per block of each worker, what is known about its accuracy, and the times by
            which the lists were made, which are none while the lists are those of the scheme. None
            before the first iteration.
        """
        pace = self._pace
        if not pace.seconds:
            return None
        return [[*pace.seconds], [float(pace.count), pace.share, pace.noise], self._divided]

    def restore(self, state: list[list[float]] | None) -> None:
        """Continue from what `state` has returned for as many workers."""
        if state is not None:
            seconds, (count, self._pace.share, self._pace.noise), divided = state
            self._pace.seconds, self._pace.count = [*seconds], int(count)
            if divided:
                self._make(divided, set())


def _speed(seconds: Sequence[float], lost: Collection[int]) -> Floats:
    """Return the blocks per second of each worker; 0 for those that are lost."""
    speed: Floats = 1 / np.array(seconds)
    speed[list(lost)] = 0.0
    return speed


def balanced(holders: Sequence[Sequence[int]], speed: Floats) -> list[int]:
    """Return a holder for each block, such that the last worker is done as early as possible.

    Blocks stay with their owners as far as these are done in time. Others go to the holder that
    would be done with them first. Then blocks move along chains of holders, away from the worker
    that is done last, as long as that helps.

    Parameters
    ----------
    holders : sequence of sequence of int
        Workers that hold each block, its owner first.
    speed : (M,) array
        Blocks per second of each worker; 0 for one that computes nothing.

    Returns
    -------
    list of int
        Worker of each block; -1 if none of its holders computes.
    """
    seconds = [1 / each if each > 0 else np.inf for each in speed.tolist()]
    counts, owners = [0] * len(seconds), [-1] * len(holders)
    in_time = (1 + 1e-9) * len(holders) / max(speed.sum(), 1e-300)
    for block, (owner, *_) in enumerate(holders):
        if (counts[owner] + 1) * seconds[owner] <= in_time:
            owners[block] = owner
            counts[owner] += 1
    for block, workers in enumerate(holders):
        first = min(workers, key=lambda w: (counts[w] + 1) * seconds[w])
        if owners[block] < 0 and seconds[first] < np.inf:
            owners[block] = first
            counts[first] += 1
    blocks_of: list[set[int]] = [set() for _ in seconds]
    for block, owner in enumerate(owners):
        if owner >= 0:
            blocks_of[owner].add(block)
    while chain := _chain(holders, seconds, counts, blocks_of):
        for block, giver, taker in chain:
            blocks_of[giver].remove(block)
            blocks_of[taker].add(block)
            owners[block] = taker
        counts[chain[-1][1]] -= 1
        counts[chain[0][2]] += 1
    return owners


def _chain(
    holders: Sequence[Sequence[int]],
    seconds: Sequence[float],
    counts: Sequence[int],
    blocks_of: Sequence[Collection[int]],
) -> list[tuple[int, int, int]]:
    """Return moves (block, from, to) that relieve the last worker, the last move first."""
    busy = [count * each if count else 0.0 for count, each in zip(counts, seconds, strict=True)]
    last = max(range(len(busy)), key=busy.__getitem__)
    reached: dict[int, tuple[int, int, int] | None] = {last: None}
    frontier = [last]
    for giver in frontier:
        for block in blocks_of[giver]:
            for taker in holders[block]:
                if taker in reached or seconds[taker] == np.inf:
                    continue
                reached[taker] = move = block, giver, taker
                if (counts[taker] + 1) * seconds[taker] < busy[last] * (1 - 1e-9):
                    chain = [move]
                    while (before := reached[chain[-1][1]]) is not None:
                        chain.append(before)
                    return chain
                frontier.append(taker)
    return []
