"""This module holds the model of persistent stragglers, which are slow in every iteration."""

from __future__ import annotations

from coded_dgd.delays._slowed import Slowed
from coded_dgd.delays.base import Floats
from coded_dgd.errors import UsageError


def _ranks(text: str) -> frozenset[int]:
    """Convert a text such as ``1,3`` to a set of MPI ranks."""
    return frozenset(int(rank) for rank in text.split(","))


_ranks.__name__ = "a list of ranks"


class Persistent(Slowed):
    """``persistent:ranks=1,3,factor=20`` makes these MPI ranks take `factor` times as long."""

    parameters = {"ranks": (_ranks, frozenset({1})), **Slowed.parameters}

    def __init__(self, ranks: frozenset[int], seed: int, **slowed: float) -> None:
        super().__init__(seed=seed, **slowed)
        if min(ranks) < 1:
            raise UsageError("workers have the ranks 1, 2, ...: choose among them, as in ranks=1,3")
        self.ranks = ranks

    def check(self, workers: int, work: Floats) -> None:
        if max(self.ranks) > workers:
            raise UsageError(
                f"persistent: there is no worker of rank {max(self.ranks)}: "
                f"choose ranks from 1 to {workers}"
            )

    def is_slow(self, iteration: int, worker: int) -> bool:
        return worker + 1 in self.ranks

    def slow_share(self, worker: int) -> float:
        return float(worker + 1 in self.ranks)
