"""Laws of durations are fitted by maximum likelihood to samples that may be censored."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from coded_dgd.delays.pareto import LEAST_SHAPE
from coded_dgd.planner.observations import Floats, ObservedTimes

NOISE = 0.02
"""Spread of durations, as a fraction, that is attributed to the measurement."""
BELOW = 20.0
"""Decay rate of the density below the least duration of the law, relative to above it."""
ROUNDS = 20
"""Maximum number of imputation rounds."""
TICK = 1e-6
"""Resolution of clocks in seconds."""


@dataclass(frozen=True)
class Shifted:
    """This is the law alpha + exponential, eq. (12) of Ozfatura et al."""

    alpha: float
    mean_excess: float
    """Mean 1/mu of the exponential part in seconds."""
    ends: float
    """Number of known durations, or the sum of their weights."""

    @classmethod
    def fit(cls, times: ObservedTimes, weights: Floats | None = None) -> Shifted:
        """Fit by maximum likelihood; known durations of weight at least 1/2 give alpha."""
        w = np.ones(times.seconds.shape) if weights is None else weights
        sure = times.known & (w >= 0.5)
        alpha = float(times.seconds[sure].min()) if sure.any() else float(times.seconds.min())
        ends = max(float(w[times.known].sum()), 1e-9)
        excess = float((w * np.maximum(times.seconds - alpha, 0)).sum()) / ends
        return cls(alpha, excess, ends)

    @property
    def constant(self) -> bool:
        """Whether the exponential part is within the error of the measurement."""
        return self.mean_excess <= max(NOISE * self.alpha, TICK)

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters alpha and mu of the delay model."""
        if self.constant:
            return {"mu": float("inf"), "alpha": self.alpha + self.mean_excess}
        return {"mu": 1 / self.mean_excess, "alpha": self.alpha}

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of alpha and mu."""
        alpha = self.mean_excess / self.ends
        return {
            "mu": 0.0 if self.constant else 1 / self.mean_excess / sqrt(self.ends),
            "alpha": self.mean_excess / sqrt(self.ends) if self.constant else alpha,
        }

    def slowdown(self, times: ObservedTimes, weights: Floats) -> float:
        """Return the factor, at least 1, by which weighted durations exceed this law on average.

        Censored durations are replaced by their expectation: the mean of the law if the limit is
        below its least duration, else the limit plus the mean excess. If all durations are known,
        the factor is the ratio of means. If the law has no least duration, or no duration has
        ended, the estimate is exposure divided by number of ends.
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
        """Return the log-likelihood of each duration; values just below alpha are unlikely only."""
        width = max(self.mean_excess, NOISE / 4 * self.alpha, TICK)
        late = (times.seconds - self.alpha) / width
        known = np.where(late >= 0, -late, BELOW * late) - log(width)
        return np.where(times.known, known, -np.maximum(late, 0))


@dataclass(frozen=True)
class ParetoLaw:
    """Under this law a duration exceeds x with probability (scale/x)^shape."""

    shape: float
    scale: float
    ends: int

    @classmethod
    def fit(cls, times: ObservedTimes) -> ParetoLaw:
        """Fit by maximum likelihood (Hill's estimator if all durations are known).

        The shape is at least the smallest one of the delay model.
        """
        scale = float(times.seconds[times.known].min())
        excess = float(np.log(np.maximum(times.seconds / scale, 1)).sum()) / times.ends
        return cls(max(LEAST_SHAPE, 1 / max(excess, NOISE / 4)), scale, times.ends)

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters shape and scale of the delay model."""
        return {"shape": self.shape, "scale": self.scale}

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of shape and scale."""
        return {
            "shape": self.shape / sqrt(self.ends),
            "scale": self.scale / (self.shape * self.ends),
        }

    def log_likelihood(self, times: ObservedTimes) -> Floats:
        """Return the log-likelihood of each duration."""
        late = np.log(np.maximum(times.seconds / self.scale, 1))
        density = log(self.shape) - np.log(times.seconds)
        return np.where(times.known, density, 0.0) - self.shape * late
