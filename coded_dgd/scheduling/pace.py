"""The time per block of each worker, as far as it lasts from one iteration to the next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import exp, log, sqrt

import numpy as np

WEIGHT = 0.2
"""Least weight of the newest iteration in the means."""


class LearntPace:
    """Learns the time per block of each worker, and how much of the differences is chance.

    Let x_i be the logarithm of the time per block of worker i in an iteration. Its mean m_i gives
    the newest iteration the weight w = 1, 1/2, 1/3, 1/4, 0.2, 0.2, ... If x_i varies by chance with
    variance v around a value that lasts, then m_i has the variance f v, with
    f = (1 - w)^2 f + w^2, and the innovation x_i - m_i, with m_i of before, has (1 + f) v. From it
    v is estimated. So the differences between the m_i of M workers that last are a part ::

        1 - f v (1 + 2 sqrt(2 / (M - 1))) / var(m)

    of what they seem, not less than 0. This is the factor of James and Stein, where f v counts two
    standard errors of var(m) more, so that speeds drawn anew in each iteration count as equal.

    Attributes
    ----------
    seconds : list of float
        exp(m_i) of each worker; empty before the first iteration.
    count : int
        Number of iterations.
    share : float
        f.
    noise : float
        Estimate of v.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.count, self.share, self.noise = 0, 1.0, 0.0

    def observe(self, seconds: Sequence[float], lost: Collection[int]) -> None:
        """Learn from the time per block of each worker in an iteration, but of those lost."""
        self.count += 1
        if not self.seconds:
            self.seconds = [*seconds]
            return
        weight, means = max(WEIGHT, 1 / self.count), [log(each) for each in self.seconds]
        known = [worker for worker in range(len(means)) if worker not in lost]
        news = [log(seconds[worker]) - means[worker] for worker in known]
        if known:
            noise = float(np.mean(np.square(news))) / (1 + self.share)
            self.noise += max(WEIGHT, 1 / (self.count - 1)) * (noise - self.noise)
            self.share = (1 - weight) ** 2 * self.share + weight**2
        for worker, new in zip(known, news, strict=True):
            self.seconds[worker] = exp(means[worker] + weight * new)

    @property
    def lasting(self) -> list[float]:
        """Time per block of each worker, without differences that are mere chance."""
        means = np.log(self.seconds)
        spread = float(np.var(means, ddof=1)) if len(means) > 1 else 0.0
        part = 0.0
        if spread and self.count > 1:
            chance = self.share * self.noise * (1 + 2 * sqrt(2 / (len(means) - 1)))
            part = max(0.0, 1 - chance / spread)
        found: list[float] = np.exp(means.mean() + part * (means - means.mean())).tolist()
        return found
