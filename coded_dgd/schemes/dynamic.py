"""Dynamic schemes decide on tasks while an iteration runs."""

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
    """This object records the progress of the blocks in one iteration.

    Attributes
    ----------
    begun : mapping of int to list of int
        Workers to which the task of a block has been sent, in that order.
    finished : set of int
        Blocks whose gradient has arrived.
    """

    def __init__(self) -> None:
        self.begun: defaultdict[int, list[int]] = defaultdict(list)
        self.finished: set[int] = set()


class DynamicScheme(ReplicationScheme):
    """In a dynamic scheme rank 0 sends the workers, who hold copies of blocks, their tasks.

    Worker i holds the blocks ``held(i)``. It sends one message for each task that it has received:
    the gradient of that block. The number of a message is the position of its block in
    ``held(i)``. The master decodes the sum over all blocks of one copy each. So the scheme takes
    any objective, and no error is amplified.

    Rank 0 calls `next_task` as messages arrive, ahead of need. Messages do not leave at fixed
    times, so `message_times` and `completion_time` raise `Infeasible`.
    """

    dynamic: ClassVar[bool] = True

    @abstractmethod
    def next_task(self, worker: int, progress: BlockProgress) -> int | None:
        """Return the next task of a worker, as a position in ``held(worker)``; None for no task.

        Each task of a worker may be returned at most once in an iteration. The method is called
        again for a worker when a message of any worker has arrived.
        """

    def ends(self, worker: int) -> tuple[int, ...]:
        return tuple(range(1, self.tasks(worker) + 1))

    @property
    def block(self) -> Integers:
        """Block that each message carries, of shape (M, J); N if the message does not exist."""
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
