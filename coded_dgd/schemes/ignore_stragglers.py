"""`ignore-stragglers` ignores stragglers, without redundancy (Bitar et al., Table I).

::

    held     the blocks B_i by worker i, every block once
    sent     sum over b in B_i of g_b, g_b being the gradient of block b
    decoded  sum over the messages that have arrived of message / (1 - p)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from coded_dgd.schemes._stochastic import StochasticScheme
from coded_dgd.schemes.base import Floats, Integers


class IgnoreStragglers(StochasticScheme):
    """``ignore-stragglers`` puts every block on one worker and divides the sum by 1 - p.

    N is M unless ``--blocks`` says otherwise. Table I divides the mean gradient by the average
    number of data vectors received, m (1 - p); for the sum the divisor is 1 - p. The estimate is
    unbiased. With ``--wait fastest:K`` it is m-synchronous SGD with m = K, whose time to a given
    accuracy is optimal up to logarithmic factors for many distributions of computation times
    (Begunov and Tyurin, arXiv 2602.03802).
    """

    options: ClassVar[tuple[str, ...]] = ("wait", "p")

    def __init__(self, name: str, workers: int, blocks: int | None = None, **options: Any) -> None:
        super().__init__(name, workers, blocks, redundancy=1, **options)

    def default_blocks(self, rows: int) -> int:
        return self.workers

    def assign(self, block_norms: Callable[[int], Floats]) -> list[Integers]:
        bounds = np.arange(self.workers + 1) * self.blocks // self.workers
        return [np.arange(a, b) for a, b in itertools.pairwise(bounds)]
