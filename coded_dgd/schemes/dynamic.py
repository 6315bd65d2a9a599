"""Schemes that decide on tasks while an iteration runs."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from typing import ClassVar, NoReturn

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme
from coded_dgd.schemes.rules import Coverage, Rule


class BlockProgress:
    """What is known of the blocks of one iteration.

    Attributes
    ----------
    begun : mapping of int to list of int
        The workers that have been told to compute a block, in that order.
    finished : set of int
        Blocks whose gradient has arrived.
    """

    def __init__(self) -> None:
        self.begun: defaultdict[int, list[int]] = defaultdict(list)
        self.finished: set[int] = set()


class DynamicScheme(ReplicationScheme):
    """Workers hold copies of blocks and are told which one to compute next.

    Held: worker i holds the blocks ``held(i)``. Sent: one message for each task that it was told,
    the gradient of that block; its number is the position of the block in ``held(i)``. Decoded: the
    sum over all blocks of one copy each, so that any objective will do and nothing is amplified.

    Rank 0 asks `next_task` as messages arrive, ahead of need. There are no fixed times at which
    messages leave: `completion_time` has no meaning, and the theory of fixed schemes refuses these.
    """

    dynamic: ClassVar[bool] = True

    @abstractmethod
    def next_task(self, worker: int, progress: BlockProgress) -> int | None:
        """Return the next task of a worker, a position in ``held(worker)``; None for none now.

        A worker is told each task at most once in an iteration, and is asked again when a message
        has arrived from anywhere.
        """

    def ends(self, worker: int) -> tuple[int, ...]:
        return tuple(range(1, self.tasks(worker) + 1))

    @property
    def block(self) -> Integers:
        """Block that each message carries, of shape (M, J); N where there is no such message."""
        block = np.full(self.expected.shape, self.blocks)
        for worker in range(self.workers):
            block[worker, : self.tasks(worker)] = self.held(worker)
        return block

    @property
    def rule(self) -> Rule:
        return Coverage(self.blocks, self.block)

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        workers, messages, _ = first_copies(arrived, self.block)
        weights = np.zeros(arrived.shape)
        weights[workers, messages] = 1.0
        return weights

    def message_times(self, finish: Floats) -> NoReturn:
        raise Infeasible(
            f"{self.name} decides on tasks while an iteration runs, so that their times cannot be "
            "computed in advance: use coded-dgd run or compare"
        )

    def completion_time(self, times: Floats) -> NoReturn:
        self.message_times(times)
