"""`sgc` is stochastic gradient coding (Bitar et al., Section III).

::

    held     block i by d_i workers, d_i proportional to ||x_i||^2
    sent     sum over the worker's blocks i of g_i / d_i, g_i being the gradient of block i
    decoded  sum over the messages that have arrived of message / (1 - p), eq. (2)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from coded_dgd.codes.assignment import balanced_design, proportional_copies, random_assignment
from coded_dgd.errors import UsageError
from coded_dgd.schemes._stochastic import StochasticScheme
from coded_dgd.schemes.base import Floats, Integers


class SGC(StochasticScheme):
    """``sgc`` puts block i on d_i workers, d_i proportional to ||x_i||^2, and decodes eq. (2).

    Worker j sends the sum over its blocks of gradient_i / d_i; the master sums the arrivals
    and divides by 1 - p. The estimate is unbiased. ``assignment`` is ``random`` (as in the paper's
    simulations) or ``balanced``: exactly pair-wise balanced (Definition 1), with d_i = d for all i.
    """

    bounded: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        workers: int,
        blocks: int | None = None,
        *,
        assignment: str = "random",
        **options: Any,
    ) -> None:
        super().__init__(name, workers, blocks, **options)
        if assignment not in ("random", "balanced"):
            raise UsageError(f"--assignment {assignment!r}: give random or balanced")
        self.balanced = assignment == "balanced"
        if self.balanced:
            copies = self._whole_redundancy()
            if blocks is not None:
                balanced_design(blocks, workers, copies)

    def _whole_redundancy(self) -> int:
        if not float(self.redundancy).is_integer():
            raise UsageError(
                f"{self.name} needs the same number of copies of every block: use --redundancy "
                f"{round(self.redundancy)} instead of {self.redundancy:g}"
            )
        return int(self.redundancy)

    def assign(self, block_norms: Callable[[int], Floats]) -> list[Integers]:
        if self.balanced:
            design = balanced_design(self.blocks, self.workers, self._whole_redundancy())
            self.copies = design.sum(axis=1)
            return [np.flatnonzero(column) for column in design.T]
        self.copies = self.count_copies(block_norms)
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(4,)))
        return random_assignment(self.copies, self.workers, rng)

    def count_copies(self, block_norms: Callable[[int], Floats]) -> Integers:
        """Return the number of copies d_i of every block, of shape (N,)."""
        return proportional_copies(block_norms(self.blocks), self.redundancy, self.workers)

    def coefficients(self, worker: int) -> Floats:
        inverse: Floats = 1 / self.copies[self.held(worker)]
        return inverse
