"""`bgc` is Bernoulli gradient coding (Charles et al., in Table I of Bitar et al.).

::

    held     block i by d workers, the same number for all
    sent     sum over the worker's blocks i of g_i / d, g_i being the gradient of block i
    decoded  sum over the messages that have arrived of message / (1 - p)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from coded_dgd.schemes.base import Floats, Integers
from coded_dgd.schemes.sgc import SGC


class BGC(SGC):
    """``bgc`` is ``sgc`` with the same number of copies of every block, d_i = d. It is unbiased."""

    bounded: ClassVar[bool] = False

    def __init__(self, name: str, workers: int, blocks: int | None = None, **options: Any) -> None:
        super().__init__(name, workers, blocks, **options)
        self._whole_redundancy()

    def count_copies(self, block_norms: Callable[[int], Floats]) -> Integers:
        return np.full(self.blocks, self._whole_redundancy())
