"""`uc-mmc` is uncoded multi-message computation (Ozfatura et al., Section III).

::

    held     the blocks s_i, s_i + 1, ..., s_i + r - 1 (mod N) by worker i, eq. (11)
    sent     g_b, the gradient of block b, after each task
    decoded  sum over all b of one copy of g_b
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme
from coded_dgd.schemes.rules import Coverage, Rule


class UCMMC(ReplicationScheme):
    """``uc-mmc`` shifts copies circularly, sends after each task, and needs a copy of each block.

    Worker i computes the blocks s_i, s_i + 1, ..., s_i + r - 1 (mod N) in this order, where
    s_i = floor(i N / M): for M = N the circular shift of eq. (11). The master uses one of the equal
    copies of a block.

    Parameters
    ----------
    order : str
        Order of work on the blocks after the worker's own ones s_i, ..., s_{i+1} - 1: ``circular``
        as in the paper, or ``last-first``, which is not in the paper. With ``last-first`` the
        blocks of the following workers are taken one worker after the other as before, but those
        of each worker from its last to its first. The owner computes its blocks from one end and
        a worker that is ahead computes them from the other end, so that few blocks are computed
        twice. For N = M, where each worker owns one block, both orders are the same.
    """

    most_blocks: ClassVar[int] = 400
    help: ClassVar[Mapping[str, str]] = {
        "order": "uc-mmc, uc-mmc-pg: where workers begin with the blocks of another worker: "
        "circular, at its first block as in the paper, or last-first, which saves time with "
        "several blocks per worker.  [default: circular]",
    }

    def __init__(
        self, name: str, workers: int, blocks: int, load: int, order: str = "circular"
    ) -> None:
        super().__init__(name, workers, blocks, load)
        if load * workers < blocks:
            share = -(-blocks // workers)
            raise Infeasible(
                f"{name} with N = {blocks} blocks on {workers} workers leaves blocks to nobody at "
                f"r = {load}: use --load {share} or more"
            )
        if order not in ("circular", "last-first"):
            raise UsageError(f"--order {order!r}: give circular or last-first")
        start = np.arange(workers) * blocks // workers
        self.block: Integers = (start[:, None] + np.arange(load)) % blocks
        if order == "last-first":
            self.block = _backups_last_first(self.block, start, blocks)
        self.needed = blocks

    @classmethod
    def variants(cls, workers: int, blocks: int, fixed: Collection[str]) -> list[dict[str, Any]]:
        if "order" in fixed or blocks <= workers:
            return [{}]
        return [{}, {"order": "last-first"}]

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


def _backups_last_first(block: Integers, start: Integers, blocks: int) -> Integers:
    """Return the blocks of each worker with those of each following worker in descending order.

    Parameters
    ----------
    block : (M, r) integers
        Successive blocks of each worker, in ascending order around the circle.
    start : (M,) integers
        First block of each worker's own.
    """
    owner = np.searchsorted(start, block, side="right") - 1
    workers = np.arange(len(start))[:, None]
    turn = (owner - workers) % len(start)  # 0 for own blocks
    within = (block - start[owner]) * np.where(turn, -1, 1)
    order = np.argsort(turn * blocks + within, axis=1)
    return np.take_along_axis(block, order, axis=1)
