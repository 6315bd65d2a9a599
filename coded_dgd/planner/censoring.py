"""Censored durations are replaced by draws from the distribution of those that are longer."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np

from coded_dgd.planner.laws import ParetoLaw, ShiftedLaw
from coded_dgd.planner.observations import Floats, Integers, ObservedTimes

ROUNDS = 3
"""Number of times that censored durations are drawn and the speeds of workers found from them."""
ENOUGH = 5
"""Number of iterations without censored durations that tell the speeds of workers at first."""
BEYOND = 0.1
"""Fraction of the known durations that determines the exponential tail."""
FEW = 10
"""Least number of known durations that determines it."""
BLOCKS = 10
"""Number of parts of a measurement whose differences tell what is chance."""
NEAR, CRITICAL = 0.04, 1.63
"""Distance of a law up to which it is near, and p = 1 % of it times the root of the sample."""
LEAST = 1e-3
"""Least duration whose logarithm is taken, relative to the mean."""


def imputed(times: ObservedTimes, rng: np.random.Generator) -> Floats:
    """Return all durations (iterations, M), with draws in the place of censored ones.

    A draw follows the estimate of `longer` for all workers, given that the duration is longer than
    what is known of it. Durations are relative to the lasting speeds of the workers. Which speeds
    differ is seen from all iterations, and by how much at first from whole ones, then from draws. A
    worker that was never seen to end a task is taken to need as long as it was watched in total.

    Parameters
    ----------
    times : ObservedTimes
        Durations of shape (iterations, M).
    rng : numpy.random.Generator
        Source of the draws.
    """
    found: Floats = times.seconds.copy()
    never = ~times.known.any(axis=0)
    found[:, never] += times.seconds[:, never].sum(axis=0)
    censored = ~times.known & ~never
    if censored.any():
        order = rng.permutation(np.count_nonzero(censored))
        whole = times.known.all(axis=1)
        factors = lasting(found)
        if np.count_nonzero(whole) >= ENOUGH:
            factors = np.where(factors == 1, 1.0, lasting(found[whole]))
        for _ in range(ROUNDS):
            relative = times.divided(factors)
            drawn = longer(relative.of(times.known | censored), order)
            found[censored] = drawn * np.broadcast_to(factors, found.shape)[censored]
            factors = lasting(found)
    return found


def longer(times: ObservedTimes, order: Integers) -> Floats:
    """Return a duration in the place of each of those that are censored.

    If a law is near, durations beyond the limits follow it. Otherwise they follow the product-limit
    estimate (Kaplan and Meier, "Nonparametric estimation from incomplete observations", 1958), with
    an exponential tail beyond the last known duration.

    Parameters
    ----------
    times : ObservedTimes
        Durations of shape (n,).
    order : (censored,) integers
        Ranks of the durations among those that are drawn: a permutation.
    """
    ends, limits = times.seconds[times.known], times.seconds[~times.known]
    levels = (order + 0.5) / len(order)
    laws = [ShiftedLaw.fit(times), ParetoLaw.fit(times)]
    distances = [law.distance(times) for law in laws]
    nearest = int(np.argmin(distances))
    if distances[nearest] < max(NEAR, CRITICAL / sqrt(len(ends))):
        return laws[nearest].beyond(limits, levels)
    inside: Floats
    tail: Floats
    at, ended = np.unique(ends, return_counts=True)
    at_risk = len(times.seconds) - np.searchsorted(np.sort(times.seconds), at)
    survival = np.concatenate([[1.0], np.cumprod(1 - ended / at_risk)])
    above = survival[np.searchsorted(at, limits, side="right")]
    # the first duration at which no more than this fraction is left
    place = np.searchsorted(-survival[1:], -levels * above)
    inside = np.maximum(at[np.minimum(place, len(at) - 1)], limits)
    if place.max() < len(at):
        return inside
    start = np.quantile(ends, max(0.0, 1 - max(BEYOND, FEW / len(ends))))
    mean = np.maximum(times.seconds - start, 0).sum() / np.count_nonzero(ends >= start)
    left = np.minimum(survival[-1] / above, 1.0)
    tail = np.maximum(at[-1], limits) - mean * np.log(np.minimum(levels / left, 1.0))
    tail[place < len(at)] = inside[place < len(at)]
    return tail


def lasting(seconds: Floats) -> Floats:
    """Return the lasting factor of each worker, (M,), by which its durations are longer.

    The factor is 1 if the deviation of the worker's mean logarithm from that of the median worker
    may be chance: if its square is at most 4 (1 + log M) times the variance that is chance.

    Parameters
    ----------
    seconds : (iterations, M) array
        Durations.
    """
    mean = float(seconds.mean())
    if not mean > 0:
        return np.ones(seconds.shape[1])
    means, chance = differences(np.log(np.maximum(seconds, LEAST * mean)))
    means -= np.median(means)
    factors: Floats = np.exp(np.where(means**2 > 4 * (1 + log(len(means))) * chance, means, 0.0))
    return factors


def differences(values: Floats) -> tuple[Floats, float]:
    """Return the deviation of each worker's mean from that of all, and the variance by chance.

    The latter is found from `BLOCKS` parts of the measurement, so that correlation in time within a
    part is accounted for.

    Parameters
    ----------
    values : (iterations, M) array
        Any values.
    """
    rest = values - values.mean(axis=1, keepdims=True)
    means: Floats = rest.mean(axis=0)
    if len(values) < 2:
        return means, inf
    blocks = np.array([b.mean(axis=0) for b in np.array_split(rest, min(BLOCKS, len(values)))])
    return means, float(blocks.var(axis=0, ddof=1).mean()) / len(blocks)
