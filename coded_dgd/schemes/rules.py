"""When a scheme is done, in two words that theory understands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Count(NamedTuple):
    """Done when `threshold` of the messages marked in `counted` are there."""

    threshold: int
    counted: NDArray[np.bool_]
    """Of shape (M, J)."""
    or_everyone: bool = False
    """Whether it is also done when every worker has sent a message."""

    def holds(self, arrived: NDArray[np.bool_]) -> bool:
        """Whether the messages marked in `arrived`, of shape (M, J), suffice."""
        everyone = self.or_everyone and bool(arrived.any(axis=1).all())
        return everyone or int(np.count_nonzero(arrived & self.counted)) >= self.threshold


class Coverage(NamedTuple):
    """Done when the messages that are there carry `needed` different blocks."""

    needed: int
    block: NDArray[np.int64]
    """Block that each message carries, of shape (M, J)."""

    def holds(self, arrived: NDArray[np.bool_]) -> bool:
        """Whether the messages marked in `arrived`, of shape (M, J), suffice."""
        return len(np.unique(self.block[arrived])) >= self.needed


Rule = Count | Coverage
