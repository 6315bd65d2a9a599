"""Workers that are fast or slow in turn follow a hidden Markov chain of two states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from coded_dgd.planner.laws import BELOW, Shifted
from coded_dgd.planner.observations import Floats, ObservedTimes

ROUNDS = 50
"""Maximum number of rounds of expectation and maximisation."""


class States(NamedTuple):
    """This tuple describes the fitted chain."""

    law: Shifted
    """Law of the durations of a fast worker."""
    factor: float
    """Factor by which a slow worker takes longer."""
    onset: float
    """Probability that a fast worker becomes slow in the next iteration."""
    recovery: float
    """Probability that a slow worker becomes fast in the next iteration."""
    fast: float
    """Expected number of iterations of fast workers, without the last one of each worker."""
    slow: float
    """Expected number of iterations of slow workers, without the last one of each worker."""
    log_likelihood: float
    """Log-likelihood less the entropy of the states, a penalty for indistinguishable states."""


def two_states(times: ObservedTimes) -> States:
    """Fit by expectation and maximisation (Baum and Welch), starting from a split of logarithms.

    Parameters
    ----------
    times : ObservedTimes
        Durations of shape (iterations, M).
    """
    slow = (times.seconds > _split(times)).astype(np.float64)
    state = np.stack([1 - slow, slow])  # (2, iterations, M)
    pairs = state[:, None, :-1] * state[None, :, 1:]
    likelihood = 0.0
    for _ in range(ROUNDS):
        law = Shifted.fit(times, state[0])
        factor = law.slowdown(times, state[1])
        moves = pairs.sum(axis=(2, 3)) + 0.5 / times.seconds.size
        change = moves / moves.sum(axis=1, keepdims=True)
        before, emission = likelihood, _emission(times, law, factor)
        state, pairs, likelihood = _smooth(emission, change)
        if abs(likelihood - before) < 1e-6 * abs(likelihood):
            break
    visits = pairs.sum(axis=(1, 2, 3))
    entropy = -float(special.xlogy(state, state).sum())
    return States(
        law, factor, change[0, 1], change[1, 0], visits[0], visits[1], likelihood - entropy
    )


def _split(times: ObservedTimes) -> float:
    """Return the threshold in seconds between two clusters of the logarithms (Otsu)."""
    x = np.sort(np.log(times.seconds), axis=None)
    n = np.arange(1, len(x))
    sums = np.cumsum(x)[:-1]
    between = (sums / n - (x.sum() - sums) / (len(x) - n)) ** 2 * n * (len(x) - n)
    cut = int(between.argmax())
    return float(np.exp((x[cut] + x[cut + 1]) / 2))


def _emission(times: ObservedTimes, law: Shifted, factor: float) -> Floats:
    """Return the log-likelihood of each duration in each state, of shape (2, iterations, M)."""
    # mass below factor * alpha reduces the mass above it
    share = np.log(factor) + np.log1p(1 / BELOW)
    slow = law.log_likelihood(times.shorter(factor)) - share * times.known
    return np.stack([law.log_likelihood(times), slow])


def _smooth(emission: Floats, change: Floats) -> tuple[Floats, Floats, float]:
    """Return probabilities of states and of consecutive pairs, and the log-likelihood."""
    _, length, workers = emission.shape
    top = emission.max(axis=0)
    likely = np.exp(emission - top)
    stationary = np.array([change[1, 0], change[0, 1]]) / (change[1, 0] + change[0, 1])
    forward = np.empty_like(likely)
    scale = np.empty((length, workers))
    ahead = np.broadcast_to(stationary[:, None], (2, workers))
    for t in range(length):
        joint = np.maximum(ahead * likely[:, t], 1e-300)
        scale[t] = joint.sum(axis=0)
        forward[:, t] = joint / scale[t]
        ahead = change.T @ forward[:, t]
    backward = np.ones_like(likely)
    for t in range(length - 2, -1, -1):
        backward[:, t] = change @ (likely[:, t + 1] * backward[:, t + 1]) / scale[t + 1]
    state = forward * backward
    pairs = (
        forward[:, None, :-1] * change[:, :, None, None] * (likely * backward / scale)[None, :, 1:]
    )
    return state, pairs, float((np.log(scale) + top).sum())
