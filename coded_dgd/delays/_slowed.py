"""This module is the base of delay models in which slow workers take longer by a factor."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from math import inf, isfinite

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.delays.shifted_exponential import ShiftedExponential
from coded_dgd.errors import UsageError


class Slowed(ShiftedExponential):
    """A task takes alpha = 10 ms, and a slow worker `factor` times as long.

    With a finite ``mu`` durations are drawn from the shifted exponential law first.
    """

    parameters = {"factor": (float, 20.0), "mu": (float, inf), "alpha": (float, 0.01)}

    def __init__(self, factor: float, mu: float, alpha: float, seed: int) -> None:
        super().__init__(mu, alpha, seed)
        if not (factor > 0 and isfinite(factor)):
            raise UsageError(f"factor = {factor:g} has to be positive, such as factor=20")
        self.factor = factor

    @abstractmethod
    def is_slow(self, iteration: int, worker: int) -> bool:
        """Return whether the worker is slow in this iteration."""

    @abstractmethod
    def slow_share(self, worker: int) -> float:
        """Return the probability that the worker is slow in one iteration."""

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        times = super().finish_times(iteration, worker, work)
        return self.factor * times if self.is_slow(iteration, worker) else times

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        times = super().sample(rng, realisations, workers, work)
        share = [self.slow_share(worker) for worker in range(workers)]
        times[rng.random((realisations, workers)) < share] *= self.factor
        return times

    def survival(self, worker: int, x: Floats) -> Floats | None:
        share = self.slow_share(worker)
        return (1 - share) * self.exceeds(x) + share * self.exceeds(x / self.factor)

    def density(self, worker: int, x: Floats) -> Floats | None:
        share = self.slow_share(worker)
        fast, slow = super().density(worker, x), super().density(worker, x / self.factor)
        if fast is None or slow is None:
            return None
        return (1 - share) * fast + share * slow / self.factor

    def kind(self, worker: int) -> Hashable:
        return self.slow_share(worker)

    def breakpoints(self, worker: int) -> tuple[float, ...]:
        share = self.slow_share(worker)
        places = ((self.alpha, 1 - share), (self.factor * self.alpha, share))
        return tuple(place for place, probability in places if probability)
