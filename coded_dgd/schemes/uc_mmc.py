"""Uncoded computation with multi-message communication (Ozfatura et al., Section III)."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes.rules import Coverage, Rule
from coded_dgd.schemes.base import (
    Bools,
    Counter,
    Floats,
    Integers,
    ReplicationScheme,
    kth_smallest,
)


class UCMMC(ReplicationScheme):
    """``uc-mmc``: circularly shifted copies, a message after every task, done when all are covered.

    Worker i computes the blocks s_i, s_i + 1, ..., s_i + r - 1 (mod N) in this order, where
    s_i = floor(i N / M): for M = N the circular shift of eq. (11). Of several copies of a block one
    is used, and all of them are the same.
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

    @property
    def rule(self) -> Rule | None:
        return Coverage(self.needed, self.block)

    def is_decodable(self, arrived: Bools) -> bool:
        return len(np.unique(self.block[arrived])) >= self.needed

    def counter(self) -> Counter:
        blocks, covered = self._blocks, set[int]()

        def take(worker: int, message: int) -> bool:
            covered.add(blocks[worker][message])
            return len(covered) >= self.needed

        return take

    @cached_property
    def _blocks(self) -> list[list[int]]:
        """`block` for looking up single numbers, which are slow to get from an array."""
        blocks: list[list[int]] = self.block.tolist()
        return blocks

    def completion_time(self, times: Floats) -> Floats:
        flat = times.reshape(len(times), -1)
        by_block = np.argsort(self.block, axis=None, kind="stable")
        first = np.searchsorted(self.block.ravel()[by_block], np.arange(self.blocks))
        covered = np.minimum.reduceat(flat[:, by_block], first, axis=1)
        return kth_smallest(covered, self.needed)

    def weights(self, arrived: Bools) -> Floats:
        workers, messages, blocks = first_copies(arrived, self.block)
        weights = np.zeros(arrived.shape)
        weights[workers, messages] = self.blocks / len(blocks)
        return weights
