"""This module draws the iterations in which the state of a worker changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Changes:
    """The changes of one worker are drawn as stays, as far ahead as they are asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random stream of the worker.
    chances : tuple of float
        Probability of a change per iteration, in turn before the first, second, ... change.
    """

    def __init__(self, rng: np.random.Generator, chances: tuple[float, ...]) -> None:
        self._rng, self._chances = rng, chances
        self._changes = np.zeros(0, dtype=np.int64)

    def until(self, iteration: int) -> NDArray[np.int64]:
        """Return the iterations in which the state has changed, up to and including this one."""
        while not len(self._changes) or self._changes[-1] <= iteration:
            stays = self._rng.geometric(np.tile(self._chances, max(8, len(self._changes) // 2)))
            last = self._changes[-1] if len(self._changes) else 0
            self._changes = np.append(self._changes, last + np.cumsum(stays))
        return self._changes[: np.searchsorted(self._changes, iteration, side="right")]
