"""This module holds the law of a start-up overhead to which the time of tasks adds."""

from __future__ import annotations

from collections.abc import Hashable
from math import inf, isfinite

import numpy as np

from coded_dgd.delays import _exponentials
from coded_dgd.delays._changes import Changes
from coded_dgd.delays.base import DelayModel, Floats, stream
from coded_dgd.errors import UsageError

MOST_SPREAD = 10.0
"""Largest spread, which keeps lasting factors finite."""


class Additive(DelayModel):
    """``additive:overhead=0.1,overhead_mu=20,alpha=0.01`` adds a start-up overhead to tasks.

    The work of s tasks takes ``f' O + f D s`` seconds. O is the start-up overhead, and D the time
    per task. Both are drawn for each worker and iteration from shifted exponential laws. The
    lasting factors f and f' of a worker are log-normal with a median of 1. They are drawn from the
    seed and the worker, and are the same in all iterations.

    Parameters
    ----------
    overhead : float
        Smallest start-up overhead in seconds.
    overhead_mu : float
        Rate of the exponential part of the overhead in 1/s; inf for none.
    alpha : float
        Smallest time per task in seconds.
    mu : float
        Rate of the exponential part of the time per task in 1/s; inf for none.
    spread, overhead_spread : float
        Standard deviations of log(f) and log(f').
    memory, overhead_memory : float
        Probabilities with which a worker keeps D or O of the iteration before, instead of drawing
        it anew. A single iteration has the same law for any memory, and memory^k is the
        correlation of D in iterations at a distance of k.
    seed : int

    Notes
    -----
    `sample` and `late` describe single iterations, with the lasting factors of the seed.
    """

    parameters = {
        "overhead": (float, 0.1),
        "overhead_mu": (float, 20.0),
        "alpha": (float, 0.01),
        "mu": (float, inf),
        "spread": (float, 0.0),
        "overhead_spread": (float, 0.0),
        "memory": (float, 0.0),
        "overhead_memory": (float, 0.0),
    }
    has_overhead = True

    def __init__(
        self,
        *,
        overhead: float,
        overhead_mu: float,
        alpha: float,
        mu: float,
        seed: int,
        spread: float = 0.0,
        overhead_spread: float = 0.0,
        memory: float = 0.0,
        overhead_memory: float = 0.0,
    ) -> None:
        for name, time in (("overhead", overhead), ("alpha", alpha)):
            if not (time >= 0 and isfinite(time)):
                raise UsageError(
                    f"additive: {name} = {time:g} has to be a time in seconds, such as {name}=0.01"
                )
        for name, rate in (("overhead_mu", overhead_mu), ("mu", mu)):
            if not rate > 0:
                raise UsageError(
                    f"additive: {name} = {rate:g} has to be positive: it is a rate in 1/s, such as "
                    f"{name}=10, or inf for no random part"
                )
        for name, each in (("spread", spread), ("overhead_spread", overhead_spread)):
            if not 0 <= each <= MOST_SPREAD:
                raise UsageError(
                    f"additive: {name} = {each:g} is out of range: choose the standard deviation "
                    f"of a logarithm, from 0 to {MOST_SPREAD:g}, such as {name}=0.3"
                )
        for name, chance in (("memory", memory), ("overhead_memory", overhead_memory)):
            if not 0 <= chance < 1:
                raise UsageError(
                    f"additive: {name} = {chance:g} is out of range: choose the correlation of "
                    f"successive iterations, 0 <= {name} < 1"
                )
        self.overhead, self.overhead_mu, self.alpha, self.mu = overhead, overhead_mu, alpha, mu
        self._spreads = np.array([spread, overhead_spread])
        self._memories = memory, overhead_memory
        self.seed = seed
        self._factors: dict[int, Floats] = {}
        self._renewals: dict[tuple[int, int], Changes] = {}

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        drawn = [
            stream(self.seed, self._drawn_in(part, iteration, worker), worker).exponential(size=2)
            for part in range(2)
        ]
        task, overhead = self._lasting(worker) * self._seconds(drawn[0][0], drawn[1][1])
        times: Floats = overhead + task * work
        return times

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        return self._sample(rng, (realisations, workers), work, (0.0, 0.0))

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        return self._sample(rng, (iterations, workers), work, self._memories)

    def late(self, worker: int, t: float, work: Floats) -> Floats | None:
        after = t - self.finish_breakpoints(worker, work)
        return _exponentials.late(after, *self._rates(worker, work))

    def finish_density(self, worker: int, t: float, work: Floats) -> Floats | None:
        after = t - self.finish_breakpoints(worker, work)
        return _exponentials.density(after, *self._rates(worker, work))

    def finish_breakpoints(self, worker: int, work: Floats) -> Floats:
        of_task, of_overhead = self._lasting(worker)
        least: Floats = of_overhead * self.overhead + of_task * self.alpha * work
        return least

    def kind(self, worker: int) -> Hashable:
        return tuple(self._lasting(worker))

    def _rates(self, worker: int, work: Floats) -> tuple[float, Floats]:
        """Return the rates in 1/s of the random parts of the overhead and of the work."""
        of_task, of_overhead = self._lasting(worker)
        return self.overhead_mu / of_overhead, self.mu / (of_task * work)

    def _lasting(self, worker: int) -> Floats:
        """Return the lasting factors f and f' of a worker."""
        if worker not in self._factors:
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(21, worker)))
            self._factors[worker] = np.exp(self._spreads * rng.standard_normal(2))
        return self._factors[worker]

    def _drawn_in(self, part: int, iteration: int, worker: int) -> int:
        """Return the iteration in which D (part 0) or O (part 1) of this iteration was drawn."""
        if not self._memories[part]:
            return iteration
        if (part, worker) not in self._renewals:
            key = 22, part, worker
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
            self._renewals[part, worker] = Changes(rng, (1 - self._memories[part],))
        return int(self._renewals[part, worker].until(iteration).max(initial=0))

    def _seconds(self, task: Floats, overhead: Floats) -> Floats:
        """Return D and O, stacked, from exponential variables of rate 1."""
        return np.stack([self.alpha + task / self.mu, self.overhead + overhead / self.overhead_mu])

    def _sample(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int],
        work: Floats,
        memories: tuple[float, float],
    ) -> Floats:
        drawn = [_kept(rng, rng.exponential(size=shape), memory) for memory in memories]
        lasting = np.array([self._lasting(worker) for worker in range(shape[1])])
        task, overhead = lasting.T[:, None] * self._seconds(drawn[0], drawn[1])
        times: Floats = overhead[..., None] + task[..., None] * work
        return times


def _kept(rng: np.random.Generator, fresh: Floats, memory: float) -> Floats:
    """Return values (iterations, M), each of which is kept from the last with this probability."""
    if not memory:
        return fresh
    kept = rng.random(fresh.shape) < memory
    kept[0] = False
    drawn_in = np.maximum.accumulate(np.where(kept, 0, np.arange(len(fresh))[:, None]), axis=0)
    values: Floats = np.take_along_axis(fresh, drawn_in, axis=0)
    return values
