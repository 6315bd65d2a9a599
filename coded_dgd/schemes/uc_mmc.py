"""`uc-mmc` is uncoded multi-message computation (Ozfatura et al., Section III).

::

    held     the blocks s_i, s_i + 1, ..., s_i + r - 1 (mod N) by worker i, eq. (11)
    sent     g_b, the gradient of block b, after each task
    decoded  sum over all b of one copy of g_b
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme
from coded_dgd.schemes.rules import Coverage, Rule


class UCMMC(ReplicationScheme):
    """``uc-mmc`` shifts copies circularly, sends after each task, and needs a copy of each block.

    Worker i computes the blocks s_i, s_i + 1, ..., s_i + r - 1 (mod N) in this order, where
    s_i = floor(i N / M): for M = N the circular shift of eq. (11). The master uses one of the equal
    copies of a block.
    """

    def __init__(self, name: str, workers: int, blocks: int, load: int) -> None:
        super().__init__(name, workers, blocks, load)
        if load * workers < blocks:
            share = -(-blocks // workers)
            raise Infeasible(
                f"{name} with N = {blocks} blocks on {workers} workers leaves blocks to nobody at "
                f"r = {load}: use --load {share} or more"
            )
        start = np.arange(workers) * blocks // workers
        self.block: Integers = (start[:, None] + np.arange(load)) % blocks
        self.needed = blocks

    def held(self, worker: int) -> Integers:
        held: Integers = self.block[worker]
        return held

    def ends(self, worker: int) -> tuple[int, ...]:
        return tuple(range(1, self.load + 1))

    @cached_property
    def rule(self) -> Rule:
        return Coverage(self.needed, self.block)

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        workers, messages, blocks = first_copies(arrived, self.block)
        weights = np.zeros(arrived.shape)
        weights[workers, messages] = self.blocks / len(blocks)
        return weights
