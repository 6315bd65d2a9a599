"""This module holds the model of bursts: a slow worker stays slow for some iterations."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays._changes import Changes
from coded_dgd.delays._slowed import Slowed
from coded_dgd.delays.base import Floats
from coded_dgd.errors import UsageError

RAREST = 1e-9
"""Smallest probability of a change, which keeps the number of iterations countable."""


class Markov(Slowed):
    """``markov:onset=0.05,recovery=0.2,factor=20`` has one two-state Markov chain per worker.

    From one iteration to the next a fast worker becomes slow with probability `onset`, and a slow
    worker becomes fast with probability `recovery`. Bursts last 1/recovery iterations on average.
    In every iteration, including the first, a worker is slow with probability
    onset/(onset + recovery). A slow worker takes `factor` times as long.

    `sample` and `survival` describe single iterations, so they use the stationary law.
    """

    parameters = {"onset": (float, 0.05), "recovery": (float, 0.2), **Slowed.parameters}

    def __init__(self, onset: float, recovery: float, seed: int, **slowed: float) -> None:
        super().__init__(seed=seed, **slowed)
        for name, probability in (("onset", onset), ("recovery", recovery)):
            if not RAREST <= probability <= 1:
                raise UsageError(
                    f"markov: {name} = {probability:g} is out of range: choose the probability "
                    f"of a change per iteration, from {RAREST:g} to 1"
                )
        self.onset, self.recovery = onset, recovery
        self._chains: dict[int, _Chain] = {}

    def is_slow(self, iteration: int, worker: int) -> bool:
        if worker not in self._chains:
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(6, worker)))
            self._chains[worker] = _Chain(rng, self.onset, self.recovery)
        return self._chains[worker].is_slow(iteration)

    def slow_share(self, worker: int) -> float:
        return self.onset / (self.onset + self.recovery)

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        times = super(Slowed, self).sample(rng, iterations, workers, work)
        first, *draws = rng.random((iterations + 1, workers))
        slow = first < self.slow_share(0)
        for every, draw in zip(times, draws, strict=True):
            every[slow] *= self.factor
            slow = np.where(slow, draw >= self.recovery, draw < self.onset)
        return times


class _Chain:
    """The chain of one worker has its changes between fast and slow, drawn as far as needed."""

    def __init__(self, rng: np.random.Generator, onset: float, recovery: float) -> None:
        self._begins_slow = bool(rng.random() < onset / (onset + recovery))
        # Stays are memoryless, so the rest of the first stay is distributed like a whole stay.
        leave = (recovery, onset) if self._begins_slow else (onset, recovery)
        self._changes = Changes(rng, leave)

    def is_slow(self, iteration: int) -> bool:
        return self._begins_slow ^ (len(self._changes.until(iteration)) % 2 == 1)
