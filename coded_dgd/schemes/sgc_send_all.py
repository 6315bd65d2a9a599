"""`sgc-send-all` is SGC with partial gradients sent one by one (Bitar et al., Table I).

::

    held     block i by d_i workers, d_i proportional to ||x_i||^2
    sent     g_i, the gradient of block i, for each of the worker's blocks
    decoded  sum over the distinct i that have arrived of g_i / (1 - p^d_i)
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes._stochastic import as_printed, divide_covered
from coded_dgd.schemes.base import Bools, Floats, Learnt
from coded_dgd.schemes.sgc import SGC


class SGCSendAll(SGC):
    """``sgc-send-all`` is ``sgc``, but workers send their partial gradients one by one.

    ``normalisation`` is ``per-block`` (gradient_i / (1 - p^d_i), unbiased: the lower bound that
    the paper shows) or ``printed`` (Table I: the sum of the arrivals divided by the average
    number of blocks received, biased if the d_i differ).
    """

    bounded: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int | None = None,
        *,
        normalisation: str = "per-block",
        **options: Any,
    ) -> None:
        super().__init__(name, workers, blocks, **options)
        self.printed = as_printed(normalisation)

    def ends(self, worker: int) -> tuple[int, ...]:
        return tuple(range(1, self.tasks(worker) + 1))

    def coefficients(self, worker: int) -> Floats:
        return np.ones(self.tasks(worker))

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        block = np.zeros(arrived.shape, dtype=np.int64)
        for worker in range(self.workers):
            block[worker, : self.tasks(worker)] = self.held(worker)
        # a straggler counts for nothing
        from_finished = arrived & self._finish.finished(arrived)[:, None]
        if not from_finished.any():
            return np.zeros(arrived.shape)
        workers, messages, blocks = first_copies(from_finished, block)
        weights = np.zeros(arrived.shape)
        weights[workers, messages] = 1 / self._reached(learnt)[blocks]
        return weights

    def block_weights(self, finished: Bools, learnt: Learnt | None = None) -> Floats:
        return divide_covered(self._covered(finished), self._reached(learnt))

    def _reached(self, learnt: Learnt | None) -> Floats:
        """Return the divisor of each gradient, the probability of its receipt, of shape (N,)."""
        reached: Floats = 1 - self.p(learnt) ** self.copies
        return np.full(self.blocks, reached.mean()) if self.printed else reached
