"""`uc-dynamic` is uncoded computation whose workers are told what others have done.

::

    held     c copies of each of N fine blocks, spread at random; worker i owns blocks
             s_i, ..., s_{i+1} - 1 with s_i = i N / M, rounded up
    sent     g_b, the gradient of block b, after each task
    next     own blocks; then, among the blocks b that worker i holds and nobody has finished,
             max of |list of the owner of b| / sum of the speeds of the other holders of b,
             over b that nobody has begun; if all are begun, the one expected to end last
    decoded  sum over all b of one copy of g_b

The scheme is not in the papers. In high-performance computing it is known as dynamic loop
self-scheduling; FlexRR (Harlap et al., SoCC 2016) moves the work of slow workers likewise.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from math import inf
from typing import Any, ClassVar

import numpy as np

from coded_dgd.delays.base import SHARE
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes._spread import held_by, spread
from coded_dgd.schemes.base import Integers
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.schemes.progress import BlockProgress, Later

FINENESS = 4
"""Default number of blocks per worker, N / M."""
COPIES = 10
"""Default number of copies of a block."""
ALL = "all"
SOON = 0.001
"""Seconds after which a worker without a task is asked for again, at least."""
PATIENCE = 0.01
"""The same, relative to the time since the departure of beta_t."""
TRIED = (1, 2, 3, 4, 6)
"""Numbers of copies that a plan tries besides the default."""
MOST_FOR_ALL = 20
"""Number of workers up to which a plan also tries a copy of each block on every worker."""
TINY = 1e-300
"""Smallest sum of speeds, since a difference of unequal ones may be rounded to 0."""


class UncodedDynamic(DynamicScheme):
    """``uc-dynamic`` has rank 0 give the blocks of stragglers to workers that are ahead.

    Parameters
    ----------
    load : int
        Number of blocks of each worker, r = c N / M.
    copies : str, optional
        Number c of copies of each block, or ``all`` for one on every worker. It says the same as
        `load`.
    shares : str
        Own tasks of workers: ``equal`` numbers, or in proportion to their ``speed`` in the last
        iterations, as far as copies allow.
    combine : str
        Whether a worker sends one sum of gradients at the end of an iteration instead of one
        gradient for each block: ``always``, ``never``, or ``auto`` where gradients are large.
    seed : int
        Seed of the placement.
    """

    per = SHARE
    load_option = "copies"
    most_blocks = 400

    help: ClassVar[Mapping[str, str]] = {
        "copies": "uc-dynamic: number of copies of each block, or all for one on every worker; "
        "--load says the same in blocks of a worker.  [default: 10, or M if less]",
        "shares": "uc-dynamic: numbers of tasks with which workers begin an iteration: equal, or "
        "in proportion to their speed in the last iterations.  [default: speed]",
        "combine": "uc-dynamic: whether a worker sends one sum instead of a payload for each block "
        "that it has done: always, never, or auto where payloads are large.  [default: auto]",
    }

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int,
        load: int,
        copies: str | None = None,
        shares: str = "speed",
        combine: str = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(name, workers, blocks, load)
        if copies is not None and load != (same := _load(workers, blocks, copies)):
            raise UsageError(
                f"--load {load} and --copies {copies} differ, as {copies} copies of N = {blocks} "
                f"blocks on {workers} workers are --load {same}: leave one of them out"
            )
        if load * workers < blocks:
            raise Infeasible(
                f"{name} with N = {blocks} blocks on {workers} workers leaves blocks to nobody at "
                f"r = {load}: use --load {-(-blocks // workers)} or more, or --copies 1"
            )
        if shares not in ("equal", "speed"):
            raise UsageError(f"--shares {shares!r}: give equal or speed")
        if combine not in ("auto", "always", "never"):
            raise UsageError(f"--combine {combine!r}: give auto, always or never")
        self._seed, self._wanted = seed, load
        self.shares_by_speed, self.combine = shares == "speed", combine
        self.place(None)

    @classmethod
    def usual_blocks(cls, workers: int) -> int:
        return FINENESS * workers

    @classmethod
    def trials(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        if {"copies", "load"} & {*fixed}:
            return [{}]
        some = {each for each in TRIED if each < workers} | {min(workers, COPIES)}
        every = {ALL} if COPIES < workers <= MOST_FOR_ALL else {}
        return [{"copies": str(each)} for each in [*sorted(some), *every]]

    @classmethod
    def variants(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        if "shares" in fixed or blocks != cls.usual_blocks(workers):
            return [{}]
        return [{}, {"shares": "equal"}]

    @classmethod
    def usual_load(cls, workers: int, blocks: int, options: Mapping[str, Any]) -> int:
        return _load(workers, blocks, options.get("copies", str(min(COPIES, workers))))

    def place(self, hosts: Sequence[Hashable] | None) -> None:
        if hosts is not None and len({*hosts}) < 2:
            return  # every placement is the same to them
        for known in ("messages", "expected", "block", "rule", "_last_task"):
            self.__dict__.pop(known, None)
        self._holders = spread(self.workers, self.blocks, self._wanted, self._seed, hosts)
        self._held = held_by(self.workers, self._holders)
        self.load = max(map(len, self._held))
        self._tasks_of = [[*enumerate(held.tolist())] for held in self._held]
        self._own = np.bincount([first for first, *_ in self._holders], minlength=self.workers)

    def held(self, worker: int) -> Integers:
        return self._held[worker]

    def own_tasks(self, worker: int) -> Integers:
        return np.arange(self._own[worker])

    def next_task(self, worker: int, progress: BlockProgress) -> int | Later | None:
        chosen, least, again = None, (2, 0.0), inf
        speed, lists, finished = progress.speeds[worker], progress.lists, progress.finished
        if lists[worker] and not progress.is_on_time(worker):
            return None  # it would take blocks from others that are late, and these take them back
        end = progress.expected_free(worker) + 1 / speed
        for number, block in self._tasks_of[worker]:
            if block in finished:
                continue
            begun, waiting = progress.begun[block], progress.waiting[block]
            if not begun and not waiting and worker not in progress.refused[block]:
                return number  # the block of a lost worker, which nobody is going to compute
            if least[0] < bool(begun):  # it would not be chosen in any case
                continue
            if worker in begun or worker in waiting or worker in progress.refused[block]:
                continue
            in_time = waiting
            if begun:
                in_time = [each for each in begun if progress.is_on_time(each)] + waiting
            for each in in_time:
                if progress.expected_end(each, block) <= end:
                    again = min(again, progress.late_at(in_time[0], 1 / speed))
                    break
            else:
                if begun:
                    key = 1, -min([progress.expected_end(each, block) for each in begun])
                else:
                    others = sum(map(progress.speeds.__getitem__, self._holders[block])) - speed
                    key = 0, -len(lists[waiting[0]]) / max(others, TINY)
                if key < least:
                    chosen, least = number, key
        if chosen is None and again < inf:
            return Later(max(again, progress.now + SOON, progress.now * (1 + PATIENCE)))
        return chosen


def _load(workers: int, blocks: int, copies: str) -> int:
    """Return the number of blocks of each worker for a number of copies.

    Raises
    ------
    UsageError
        The text is no number of copies.
    """
    count = workers if copies == ALL else int(copies) if copies.isdecimal() else 0
    if not 1 <= count <= workers:
        raise UsageError(
            f"--copies {copies}: give a number from 1 to {workers}, one for each worker at most, "
            f"or {ALL}"
        )
    return -(-count * blocks // workers)
