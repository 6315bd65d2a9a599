"""Laws describe measured durations: they are fitted by maximum likelihood, and compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf

import numpy as np

from coded_dgd.delays.pareto import LEAST_SHAPE
from coded_dgd.planner.observations import Floats, ObservedTimes

NOISE = 0.02
"""Spread of durations, as a fraction, that is attributed to the measurement."""
TICK = 1e-6
"""Resolution of clocks in seconds."""


class Law(ABC):
    """A law of durations in seconds."""

    name: str
    """Name of the delay model."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, float]:
        """Parameters of the delay model."""

    @abstractmethod
    def survival(self, x: Floats) -> Floats:
        """Return the probability that a duration is longer than x seconds."""

    @abstractmethod
    def beyond(self, limits: Floats, levels: Floats) -> Floats:
        """Return the durations that a fraction of those beyond a limit exceed.

        Parameters
        ----------
        limits : (n,) array
            Limits in seconds.
        levels : (n,) array
            Fractions, larger than 0.
        """

    def distance(self, times: ObservedTimes) -> float:
        """Return the largest distance of the distribution functions (Kolmogorov and Smirnov).

        Durations that ended while they were watched are compared with the law below that limit.
        Errors of the measurement, `NOISE`, do not count.
        """
        x, limit = times.seconds[times.known], times.limit[times.known]
        below = np.maximum(1 - self.survival(limit), 1e-12)
        lower = np.sort((1 - self.survival(x * (1 - NOISE))) / below)
        upper = np.sort((1 - self.survival(x * (1 + NOISE))) / below)
        steps = np.arange(len(x) + 1) / len(x)
        return max(float((steps[1:] - upper).max()), float((lower - steps[:-1]).max()), 0.0)


@dataclass(frozen=True)
class ShiftedLaw(Law):
    """This is the law alpha + exponential, eq. (12) of Ozfatura et al."""

    alpha: float
    excess: float
    """Mean 1/mu of the exponential part in seconds; 0 within the error of the measurement."""
    name = "shifted-exponential"

    @classmethod
    def fit(cls, times: ObservedTimes) -> ShiftedLaw:
        """Fit by maximum likelihood; some duration has to be known."""
        alpha = float(times.seconds[times.known].min())
        excess = float(np.maximum(times.seconds - alpha, 0).sum()) / times.ends
        return (
            cls(alpha + excess, 0.0) if excess <= max(NOISE * alpha, TICK) else cls(alpha, excess)
        )

    @property
    def mu(self) -> float:
        """Rate of the exponential part in 1/s; inf for none."""
        return 1 / self.excess if self.excess else inf

    @property
    def parameters(self) -> dict[str, float]:
        return {"mu": self.mu, "alpha": self.alpha}

    def survival(self, x: Floats) -> Floats:
        late = np.maximum(x - self.alpha, 0)
        return np.exp(-late / self.excess) if self.excess else np.where(late > 0, 0.0, 1.0)

    def beyond(self, limits: Floats, levels: Floats) -> Floats:
        found: Floats = np.maximum(limits, self.alpha) - self.excess * np.log(levels)
        return found


@dataclass(frozen=True)
class ParetoLaw(Law):
    """Under this law a duration exceeds x with probability (scale/x)^shape."""

    shape: float
    scale: float
    name = "pareto"

    @classmethod
    def fit(cls, times: ObservedTimes) -> ParetoLaw:
        """Fit by maximum likelihood (Hill's estimator if all durations are known).

        The shape is at least the smallest one of the delay model.
        """
        scale = float(times.seconds[times.known].min())
        excess = float(np.log(np.maximum(times.seconds / scale, 1)).sum()) / times.ends
        return cls(max(LEAST_SHAPE, 1 / max(excess, NOISE / 4)), scale)

    @property
    def parameters(self) -> dict[str, float]:
        return {"shape": self.shape, "scale": self.scale}

    def survival(self, x: Floats) -> Floats:
        return np.minimum(self.scale / np.maximum(x, 1e-300), 1.0) ** self.shape

    def beyond(self, limits: Floats, levels: Floats) -> Floats:
        found: Floats = np.maximum(limits, self.scale) * levels ** (-1 / self.shape)
        return found


@dataclass(frozen=True)
class AdditiveLaw:
    """This law has a start-up overhead and a time per task, each a constant plus an exponential."""

    overhead: ShiftedLaw
    task: ShiftedLaw
    name = "additive"

    @classmethod
    def fit(cls, overhead: Floats, seconds: Floats) -> AdditiveLaw:
        """Fit both parts to overheads and durations, of any shape."""
        return cls(*(ShiftedLaw.fit(ObservedTimes.all_known(x)) for x in (overhead, seconds)))

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the delay model."""
        return {
            "overhead": self.overhead.alpha,
            "overhead_mu": self.overhead.mu,
            "alpha": self.task.alpha,
            "mu": self.task.mu,
        }

    def distance(self, overhead: Floats, seconds: Floats) -> float:
        """Return the larger one of the distances of both parts from what was measured."""
        return max(
            law.distance(ObservedTimes.all_known(x))
            for law, x in ((self.overhead, overhead), (self.task, seconds))
        )
