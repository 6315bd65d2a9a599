"""Laws of durations, fitted by maximum likelihood to samples that may be censored."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from coded_dgd.planner.observations import Floats, ObservedTimes

NOISE = 0.02
"""Spread, as a fraction of the duration, that is put down to the measurement."""
BELOW = 20.0
"""How much faster than above the density falls off below the smallest duration of the law."""
ROUNDS = 20
"""In which what is missing is put in, at most."""
TICK = 1e-6
"""Seconds that a clock tells apart."""


@dataclass(frozen=True)
class Shifted:
    """alpha + exponential: eq. (12) of Ozfatura et al."""

    alpha: float
    mean_excess: float
    """1/mu"""
    ends: float
    """Durations that were known."""

    @classmethod
    def fit(cls, times: ObservedTimes, weights: Floats | None = None) -> Shifted:
        """Maximum likelihood; of weighted durations those that count half or more give alpha."""
        w = np.ones(times.seconds.shape) if weights is None else weights
        sure = times.known & (w >= 0.5)
        alpha = float(times.seconds[sure].min()) if sure.any() else float(times.seconds.min())
        ends = max(float(w[times.known].sum()), 1e-9)
        excess = float((w * np.maximum(times.seconds - alpha, 0)).sum()) / ends
        return cls(alpha, excess, ends)

    @property
    def constant(self) -> bool:
        """Whether the exponential part is no more than what measuring adds."""
        return self.mean_excess <= max(NOISE * self.alpha, TICK)

    @property
    def parameters(self) -> dict[str, float]:
        """alpha and mu of the delay model."""
        if self.constant:
            return {"mu": float("inf"), "alpha": self.alpha + self.mean_excess}
        return {"mu": 1 / self.mean_excess, "alpha": self.alpha}

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors."""
        alpha = self.mean_excess / self.ends
        return {
            "mu": 0.0 if self.constant else 1 / self.mean_excess / sqrt(self.ends),
            "alpha": self.mean_excess / sqrt(self.ends) if self.constant else alpha,
        }

    def slowdown(self, times: ObservedTimes, weights: Floats) -> float:
        """How many times as long weighted durations are on average, at least 1.

        Those of which only a lower limit is known are taken for what is to be expected of them: the
        mean of the law where the limit is below all that it allows for, and the excess on top
        where it is not. That is the mean where all are known, and exposure by ends where the law
        has no least duration, or none has ended.
        """
        known = weights * times.known
        ends, total = float(known.sum()), float((known * times.seconds).sum())
        mean, factor = self.alpha + self.mean_excess, 1.0
        if ends < 0.5:
            return max(1.0, float((weights * times.seconds).sum()) / mean)
        for _ in range(ROUNDS):
            before = factor
            above = weights * (~times.known & (times.seconds >= self.alpha * factor))
            longest = total + float((above * times.seconds).sum())
            factor = max(1.0, longest / float(ends * mean + above.sum() * self.alpha))
            if factor == before:
                break
        return factor

    def log_likelihood(self, times: ObservedTimes) -> Floats:
        """Of each duration; what is a little below alpha is unlikely, but not impossible."""
        width = max(self.mean_excess, NOISE / 4 * self.alpha, TICK)
        late = (times.seconds - self.alpha) / width
        known = np.where(late >= 0, -late, BELOW * late) - log(width)
        return np.where(times.known, known, -np.maximum(late, 0))


@dataclass(frozen=True)
class ParetoLaw:
    """Longer than x with probability (scale/x)^shape."""

    shape: float
    scale: float
    ends: int

    @classmethod
    def fit(cls, times: ObservedTimes) -> ParetoLaw:
        """Maximum likelihood (Hill's estimator, where all is known)."""
        scale = float(times.seconds[times.known].min())
        excess = float(np.log(np.maximum(times.seconds / scale, 1)).sum()) / times.ends
        return cls(1 / max(excess, NOISE / 4), scale, times.ends)

    @property
    def parameters(self) -> dict[str, float]:
        """shape and scale of the delay model."""
        return {"shape": self.shape, "scale": self.scale}

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors."""
        return {
            "shape": self.shape / sqrt(self.ends),
            "scale": self.scale / (self.shape * self.ends),
        }

    def log_likelihood(self, times: ObservedTimes) -> Floats:
        """Of each duration."""
        late = np.log(np.maximum(times.seconds / self.scale, 1))
        density = log(self.shape) - np.log(times.seconds)
        return np.where(times.known, density, 0.0) - self.shape * late
