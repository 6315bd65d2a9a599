"""Persistent stragglers: the same ranks are slow in every iteration."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np

from coded_dgd.delays.base import Floats
from coded_dgd.delays.shifted_exponential import ShiftedExponential
from coded_dgd.errors import UsageError


def _ranks(text: str) -> frozenset[int]:
    """Convert ``1,3`` to a set of MPI ranks."""
    return frozenset(int(rank) for rank in text.split(","))


_ranks.__name__ = "a list of ranks"


class Persistent(ShiftedExponential):
    """``persistent:ranks=1,3,factor=20``: these MPI ranks take `factor` times as long.

    A task of the other ranks takes alpha = 10 ms; with a finite ``mu`` the durations of all ranks
    are drawn from the shifted exponential law first.
    """

    parameters = {
        "ranks": (_ranks, frozenset({1})),
        "factor": (float, 20.0),
        "mu": (float, inf),
        "alpha": (float, 0.01),
    }

    def __init__(
        self, ranks: frozenset[int], factor: float, mu: float, alpha: float, seed: int
    ) -> None:
        super().__init__(mu, alpha, seed)
        if not (factor > 0 and isfinite(factor)):
            raise UsageError(f"factor = {factor:g} has to be positive, such as factor=20")
        if min(ranks) < 1:
            raise UsageError("workers have the ranks 1, 2, ...: choose among them, as in ranks=1,3")
        self.ranks, self.factor = ranks, factor

    def check(self, workers: int, work: Floats) -> None:
        if max(self.ranks) > workers:
            raise UsageError(
                f"persistent: there is no worker of rank {max(self.ranks)}: "
                f"choose ranks from 1 to {workers}"
            )

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        return self._slowness(worker) * super().finish_times(iteration, worker, work)

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        times = super().sample(rng, realisations, workers, work)
        times[:, [rank - 1 for rank in self.ranks]] *= self.factor
        return times

    def survival(self, worker: int, x: Floats) -> Floats | None:
        return self.exceeds(x / self._slowness(worker))

    def breakpoints(self, worker: int) -> tuple[float, ...]:
        return (self.alpha * self._slowness(worker),)

    def _slowness(self, worker: int) -> float:
        return self.factor if worker + 1 in self.ranks else 1.0
