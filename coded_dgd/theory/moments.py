"""This module computes mean and variance of numbers that come in parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Moments are number, mean and sum of squared deviations, and merge (Chan, Golub, LeVeque)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: NDArray[np.float64] | NDArray[np.int64]) -> Moments:
        if not len(values):
            return cls()
        mean = values.mean()
        return cls(len(values), float(mean), float(np.square(values - mean).sum()))

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of numbers together."""
        count = self.count + other.count
        if not count:
            return self
        step, share = other.mean - self.mean, other.count / count
        between = step * step * self.count * share
        return Moments(count, self.mean + step * share, self.squares + other.squares + between)

    @property
    def std(self) -> float:
        return float(np.sqrt(self.squares / (self.count - 1))) if self.count > 1 else np.nan

    @property
    def standard_error(self) -> float:
        """Standard error of the mean."""
        return self.std / float(np.sqrt(self.count)) if self.count else np.nan
