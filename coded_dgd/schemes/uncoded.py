"""`uncoded` is computation without redundancy: each worker has its own blocks.

::

    held     the blocks B_i by worker i, every block once, ceil(N/M) at most
    sent     sum over b in B_i of g_b, g_b being the gradient of block b
    decoded  sum over all i of the messages
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme, Threshold


class Uncoded(Threshold, ReplicationScheme):
    """``uncoded`` gives each worker N/M blocks, whose sum it sends in one message.

    The master waits for every worker that has a block. Blocks are split as evenly as possible. The
    computation load is ceil(N/M), even if a larger one is given.
    """

    one_load: ClassVar[bool] = True

    def __init__(self, name: str, workers: int, blocks: int, load: int) -> None:
        super().__init__(name, workers, blocks, load)
        share = -(-blocks // workers)
        if load < share:
            raise Infeasible(
                f"{name} with N = {blocks} blocks on {workers} workers has load {share}: "
                f"use --load {share} or more, or leave it out"
            )
        self.load = share
        self.threshold = min(workers, blocks)

    def held(self, worker: int) -> Integers:
        first, last = (w * self.blocks // self.workers for w in (worker, worker + 1))
        return np.arange(first, last)

    def ends(self, worker: int) -> tuple[int, ...]:
        tasks = self.tasks(worker)
        return (tasks,) if tasks else ()

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        return arrived.astype(np.float64)
