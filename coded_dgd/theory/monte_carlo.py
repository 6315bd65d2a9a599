"""This module simulates one iteration by Monte Carlo, with a scheme's own completion rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.errors import UsageError
from coded_dgd.scheduling.scheduler import decision_seconds
from coded_dgd.scheduling.virtual import WARM_UP, VirtualWorkers
from coded_dgd.schemes.base import Bools, Floats, Integers, Scheme
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.theory.moments import Moments

RETAINED = 1_000_000
"""Maximum number of realisations whose completion times are kept."""

MOST = 10**10
"""Maximum number of realisations in one simulation."""

BATCH_BYTES = 2**21
"""Size in bytes of an array of finish times; about five such arrays exist at once."""

CHAIN = 50
"""Least number of iterations of a dynamic scheme that count in a batch."""


@dataclass(frozen=True)
class Sample:
    """A sample is the result of a Monte Carlo simulation of one iteration; times are in seconds."""

    realisations: int
    completion: Moments
    """Moments of the completion times of the realisations that complete."""
    load: Moments
    """Moments of their numbers of messages, including the one that completes the gradient."""
    cdf: Floats
    """Fraction of all realisations that complete by each of the requested instants."""
    times: Floats
    """Completion times of the first realisations, at most `RETAINED`; inf for never."""

    @property
    def never(self) -> int:
        """Number of realisations in which the gradient never becomes decodable."""
        return self.realisations - self.completion.count

    @property
    def mean(self) -> float:
        """Mean completion time; inf if some realisation never completes."""
        return inf if self.never else self.completion.mean

    @property
    def std(self) -> float:
        """Standard deviation of the completion time; nan if some realisation never completes."""
        return nan if self.never else self.completion.std

    @property
    def standard_error(self) -> float:
        """Standard error of `mean`; nan if some realisation never completes."""
        return nan if self.never else self.completion.standard_error

    @property
    def communication_load(self) -> float:
        """Mean number of messages of the realisations that complete; nan if none does."""
        return self.load.mean if self.load.count else nan

    @property
    def communication_load_standard_error(self) -> float:
        return self.load.standard_error

    @property
    def cdf_standard_error(self) -> Floats:
        error: Floats = np.sqrt(self.cdf * (1 - self.cdf) / self.realisations)
        return error

    def quantile(self, q: float) -> float:
        """Return the smallest time by which a fraction q of the retained realisations completes."""
        return float(np.quantile(self.times, q, method="inverted_cdf"))


def simulate(
    scheme: Scheme,
    delay: DelayModel,
    realisations: int,
    seed: int,
    jobs: int = 1,
    cdf_at: Sequence[float] = (),
) -> Sample:
    """Draw realisations of one iteration; they do not depend on the number of jobs.

    Parameters
    ----------
    scheme : Scheme
        Scheme, fitted to the data if it depends on them.
    realisations : int
        Number of realisations, at least 2; any number fits into memory.
    jobs : int
        Number of processes that share the work; see `processes.in_order`.
    cdf_at : sequence of float
        Instants in seconds at which to count the realisations that have completed.

    Raises
    ------
    UsageError
        If the delay model does not cover the scheme's workers and tasks, or numbers are too small.

    Notes
    -----
    Realisations of a dynamic scheme are consecutive iterations, replayed by events: each batch is
    a run of its own, in which speeds are learnt, after `WARM_UP` iterations that do not count.
    Since they depend on each other, the standard error is that of independent ones, and so
    approximate.

    Examples
    --------
    >>> from coded_dgd import delays, schemes
    >>> scheme = schemes.create("uc-mmc", workers=8, load=4)
    >>> sample = simulate(scheme, delays.create("pareto:shape=3", seed=0), 10_000, seed=0)
    >>> 0.1 < sample.mean < 0.2, sample.standard_error < 0.01 * sample.mean, sample.never
    (True, True, 0)
    """
    if not 2 <= realisations <= MOST or jobs < 1:
        raise UsageError(
            f"--realisations {realisations}: give 2 to {MOST}; --jobs {jobs}: give 1 or more"
        )
    delay.check(scheme.workers, scheme.work_under(delay))
    keep = min(realisations, RETAINED)
    draw = _Draw(scheme, delay, realisations, seed, np.array(cdf_at, dtype=np.float64), keep)
    if jobs == 1 or draw.batches == 1:
        results: Iterable[_Batch] = map(draw, range(draw.batches))
    else:
        from coded_dgd.theory.processes import in_order

        results = in_order(draw, draw.batches, jobs)
    completion = load = Moments()
    by = np.zeros(len(cdf_at), dtype=np.int64)
    times, kept = np.empty(keep), 0
    for batch in results:  # in fixed order, since float sums depend on it
        completion, load = completion.merge(batch.completion), load.merge(batch.load)
        by += batch.by
        times[kept : kept + len(batch.times)] = batch.times
        kept += len(batch.times)
    return Sample(realisations, completion, load, by / realisations, times)


def affordable(scheme: Scheme, realisations: int) -> int:
    """Return how many realisations take about as long as `realisations` of most schemes.

    Most schemes are computed by array operations, in about 0.1 ms for a realisation. The replay of
    a dynamic scheme by events takes the time of its decisions and 0.5 ms more.
    """
    if not scheme.dynamic:
        return realisations
    ratio = (5e-4 + scheme.blocks * decision_seconds(scheme)) / 1e-4
    return max(WARM_UP, round(realisations / ratio))


class _Batch(NamedTuple):
    completion: Moments
    load: Moments
    by: Integers
    """Number of realisations that have completed by each of the instants."""
    times: Floats
    """Completion times that are kept."""


@dataclass(frozen=True)
class _Draw:
    """A draw computes one batch of realisations, each batch from its own random stream."""

    scheme: Scheme
    delay: DelayModel
    realisations: int
    seed: int
    cdf_at: Floats
    keep: int

    @property
    def size(self) -> int:
        """Number of realisations in a batch."""
        work = self.scheme.work_under(self.delay)
        per_worker = max(self.scheme.messages, int(np.ceil(work[-1])))
        least = CHAIN if self.scheme.dynamic else 1
        return max(least, BATCH_BYTES // (8 * self.scheme.workers * per_worker))

    @property
    def batches(self) -> int:
        return -(-self.realisations // self.size)

    def __call__(self, index: int) -> _Batch:
        scheme, start = self.scheme, index * self.size
        count = min(self.size, self.realisations - start)
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2, index)))
        if isinstance(scheme, DynamicScheme):
            completion, load = self._replay(scheme, rng, count)
            done = np.isfinite(completion)
            load = load[done]
        else:
            work = scheme.message_work(self.delay)
            times = self.delay.sample(rng, count, scheme.workers, work)
            times[:, ~scheme.expected] = inf
            completion = scheme.completion_time(times)
            done = np.isfinite(completion)
            if not done.all():
                times = times[done]
            load = messages_used(scheme, times, completion[done])
        return _Batch(
            Moments.of(completion[done]),
            Moments.of(load),
            np.searchsorted(np.sort(completion), self.cdf_at, side="right"),
            completion[: max(0, self.keep - start)],
        )

    def _replay(
        self, scheme: DynamicScheme, rng: np.random.Generator, count: int
    ) -> tuple[Floats, Integers]:
        """Return completion times and numbers of messages of consecutive iterations."""
        work = scheme.work_under(self.delay)
        finish = self.delay.consecutive(rng, WARM_UP + count, scheme.workers, work)
        replayed = VirtualWorkers(scheme).run_settled(finish)
        return (
            np.array([each.completion_time for each in replayed]),
            np.array([len(each.order) for each in replayed]),
        )


def messages_used(scheme: Scheme, times: Floats, completion: Floats) -> Integers:
    """Count the messages up to and including the one that completes the gradient.

    Of messages that arrive at the same instant, the master takes those of the first worker first,
    as in `guard.replay`. At a deadline the master takes every message that has arrived by then.

    Parameters
    ----------
    times : (realisations, M, J) array
        Arrival time of each message in seconds, inf for never.
    completion : (realisations,) array
        Finite completion times.

    Returns
    -------
    (realisations,) array
    """
    at = completion[:, None, None]
    used = _count(times <= at)
    together = _count(times == at) > 1
    if together.any():
        times, at = times[together], at[together]
        number = np.arange(1, scheme.expected.size + 1).reshape(scheme.expected.shape)
        # Equal times become distinct ones before the deadline: only the order matters for decoding.
        turn = number / (number.size + 1) * (scheme.deadline or 1.0)
        turns = np.where(times < at, 0.0, np.where(times == at, turn, inf))
        used[together] = _count(turns <= scheme.completion_time(turns)[:, None, None])
    return used


def _count(marked: Bools) -> Integers:
    counts: Integers = np.count_nonzero(marked, axis=(1, 2))
    return counts
