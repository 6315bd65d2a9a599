"""`erasurehead` is a fractional repetition code (Bitar et al., Table I).

::

    held     block b by the d workers of group b, b = 1..M/d
    sent     g_b, the gradient of block b
    decoded  sum over the distinct b that have arrived of g_b; per block, of g_b / (1 - p^d)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from coded_dgd.codes.repetition import groups
from coded_dgd.errors import Infeasible
from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes._stochastic import StochasticScheme, as_printed, divide_covered
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt


class ErasureHead(StochasticScheme):
    """``erasurehead`` puts M/d blocks on d workers each and sums distinct partial gradients.

    With ``normalisation`` ``printed`` ("divided by total number of data vectors") the sum of the
    arrivals stands for the whole gradient. Each step is then too short, by a factor of 1 - p^d on
    average. With ``per-block``, which is not in the paper, the sum is divided by 1 - p^d and is
    unbiased.
    """

    options: ClassVar[tuple[str, ...]] = ("wait", "p", "redundancy", "normalisation")
    sizes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int | None = None,
        *,
        normalisation: str = "printed",
        **options: Any,
    ) -> None:
        super().__init__(name, workers, blocks, **options)
        self.printed = as_printed(normalisation)
        if workers % self.redundancy or not float(self.redundancy).is_integer():
            divisors = [d for d in range(1, workers + 1) if workers % d == 0]
            near = min(divisors, key=lambda d: abs(d - self.redundancy))
            raise Infeasible(
                f"{name} needs d = {self.redundancy:g} to divide M = {workers}: "
                f"use --redundancy {near}, or another number of workers"
            )

    def default_blocks(self, rows: int) -> int:
        return self.workers // int(self.redundancy)

    def assign(self, block_norms: Callable[[int], Floats]) -> list[Integers]:
        return [np.array([group]) for group in groups(self.workers, int(self.redundancy))]

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        block = np.array([held for held in self._placement])
        workers, messages, _ = first_copies(arrived, block)
        weights = np.zeros(arrived.shape)
        weights[workers, messages] = 1.0
        return divide_covered(weights, self._reached(learnt))

    def block_weights(self, finished: Bools, learnt: Learnt | None = None) -> Floats:
        return divide_covered(self._covered(finished), self._reached(learnt))

    def _reached(self, learnt: Learnt | None) -> float:
        """Return the divisor of the sum of the arrivals."""
        return 1.0 if self.printed else 1 - self.p(learnt) ** self.redundancy
