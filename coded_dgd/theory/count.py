"""This module treats schemes that complete when enough messages have arrived from any workers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from scipy.fft import next_fast_len
from scipy.optimize import brentq

from coded_dgd.schemes.base import Bools, Floats, Integers
from coded_dgd.theory.arrivals import ArrivalDistribution
from coded_dgd.theory.completion import Completion


class Workers(NamedTuple):
    """A group consists of workers whose messages have the same distribution."""

    number: int
    arrivals: ArrivalDistribution
    counted: Bools
    """Whether each of their messages counts, shape (J,)."""


class CountCompletion(Completion):
    """The iteration completes when `threshold` messages that count have arrived.

    Pr(T <= t) of eq. (15) of Ozfatura et al., which sums (14) over all ways to reach the threshold,
    is the distribution of a sum of independent numbers, one per worker: a convolution. With one
    message per worker it is eq. (18).

    With `or_everyone` the iteration also completes when every worker has sent a message. Such a
    state
    below the threshold is not late, so its probability is subtracted.
    """

    def __init__(
        self, groups: Sequence[Workers], threshold: int, or_everyone: bool = False
    ) -> None:
        self._groups, self._threshold, self._or_everyone = groups, threshold, or_everyone
        self._numbers = np.array([group.number for group in groups])
        # number of the first j = 0..J messages that count
        self._before = [np.cumsum(np.append(0, group.counted)) for group in groups]
        self._sent = np.array([before[-1] for before in self._before])
        if all(group.counted.all() for group in groups) and not or_everyone:
            self.messages = threshold

    def survival(self, t: float) -> float:
        laws = self._laws(t)
        late = probability_below(laws, self._numbers, self._threshold)
        if self._or_everyone:
            laws[:, 0] = 0.0
            late -= probability_below(laws, self._numbers, self._threshold)
        return max(0.0, late)

    def message_rate(self, t: float) -> float | None:
        laws = self._laws(t)
        sending = np.zeros_like(laws)  # densities by earlier messages that count
        for row, group, before in zip(sending, self._groups, self._before, strict=True):
            densities = group.arrivals.densities(t)
            if densities is None:
                return None
            np.add.at(row, before[:-1], densities)
        rate = self._rate(laws, sending)
        if self._or_everyone:
            laws[:, 0] = sending[:, 0] = 0.0
            rate -= self._rate(laws, sending)
        return rate

    def _rate(self, laws: Floats, sending: Floats) -> float:
        """Return the rate of messages from any worker while the sum is below the threshold."""
        size = next_fast_len(1 + int(self._sent @ self._numbers), real=True)
        spectra = np.fft.rfft(laws, size)
        powers = spectra ** self._numbers[:, None]
        ahead = np.cumprod(np.vstack([np.ones_like(powers[:1]), powers[:-1]]), axis=0)
        behind = np.cumprod(np.vstack([np.ones_like(powers[:1]), powers[:0:-1]]), axis=0)[::-1]
        alike = self._numbers[:, None] * spectra ** (self._numbers[:, None] - 1)
        total = (ahead * behind * alike * np.fft.rfft(sending, size)).sum(axis=0)
        return float(np.fft.irfft(total, size)[: self._threshold].sum())

    def messages_by(self, t: float) -> float:
        laws = [group.arrivals.probabilities(t) for group in self._groups]
        means = [law @ np.arange(len(law)) for law in laws]
        return float(self._numbers @ means)

    @property
    def breakpoints(self) -> Floats:
        return np.unique(np.concatenate([group.arrivals.breakpoints for group in self._groups]))

    @property
    def tail(self) -> float:
        sent = np.sort(np.repeat(self._sent, self._numbers))[::-1]
        stragglers = 1 + int(np.argmax(sent.sum() - np.cumsum(sent) < self._threshold))
        return stragglers * min(group.arrivals.tail for group in self._groups)

    def _laws(self, t: float) -> Floats:
        """Return the distribution of the number of counted messages from a worker of each group."""
        laws = np.zeros((len(self._groups), self._sent.max() + 1))
        for law, group, before in zip(laws, self._groups, self._before, strict=True):
            np.add.at(law, before, group.arrivals.probabilities(t))
        return laws


def probability_below(laws: Floats, numbers: Integers, threshold: int) -> float:
    """Return Pr(S < threshold) for a sum S of independent numbers 0, 1, 2, ...

    The method is an FFT. A small probability is computed from the exponentially tilted laws
    q_j ~ p_j exp(tilt j), whose sum has its mean at the threshold. Thus the result has a small
    relative
    error, however small it is.

    Parameters
    ----------
    laws : (groups, J + 1) array
        Probabilities p_0, ..., p_J in each group of numbers. If p_j is set to 0, the result is the
        probability that S is below the threshold and no number of the group is j.
    numbers : (groups,) integers
        Number of independent numbers in each group.
    threshold : int
        At least 1.
    """
    possible = laws > 0
    if not possible.any(axis=1).all():
        return 0.0
    largest = (laws.shape[1] - 1 - possible[:, ::-1].argmax(axis=1)) @ numbers
    if possible.argmax(axis=1) @ numbers >= threshold:
        return 0.0
    if largest < threshold:
        return float(np.prod(laws.sum(axis=1) ** numbers))
    with np.errstate(divide="ignore"):
        logs = np.log(laws)
    tilt = _tilt(logs, numbers, threshold - 0.5)
    log_totals, tilted = _tilted(logs, tilt)
    size = next_fast_len(min(int(largest) + 1, _enough(tilted, numbers, threshold)), real=True)
    product = np.prod(np.fft.rfft(tilted, size) ** numbers[:, None], axis=0)
    sums = np.fft.irfft(product, size)[:threshold].clip(min=0)
    log_scale = log_totals @ numbers - tilt * (threshold - 1)
    below = np.exp(log_scale) * (sums @ np.exp(tilt * np.arange(threshold)[::-1]))
    return min(1.0, float(below))


def _enough(laws: Floats, numbers: Integers, threshold: int) -> int:
    """Return a size >= `threshold` that the sum exceeds with probability < e^-50.

    The bound is Bernstein's inequality. An FFT of that length adds what lies beyond it to what lies
    below, which is negligible.
    """
    j = np.arange(laws.shape[1])
    means = laws @ j
    variance = float((laws @ j**2 - means**2) @ numbers)
    step = 50 / 3 * float(j[laws.any(axis=0)].max())
    return ceil(max(threshold, float(means @ numbers)) + step + sqrt(step**2 + 100 * variance)) + 1


def _tilted(logs: Floats, tilt: float) -> tuple[Floats, Floats]:
    """Return the logs of the totals of p_j exp(tilt j), and these terms divided by their totals."""
    exponents = logs + tilt * np.arange(logs.shape[1])
    largest = exponents.max(axis=1, keepdims=True)
    tilted = np.exp(exponents - largest)
    totals = tilted.sum(axis=1, keepdims=True)
    return (largest + np.log(totals))[:, 0], tilted / totals


def _tilt(logs: Floats, numbers: Integers, mean: float) -> float:
    """Return the tilt <= 0 that lowers the mean of the sum to about `mean`."""

    def excess(tilt: float) -> float:
        means = _tilted(logs, tilt)[1] @ np.arange(logs.shape[1])
        return float(means @ numbers) - mean

    if excess(0.0) <= 0:
        return 0.0
    low = -1.0
    while excess(low) > 0:
        low *= 2
    return float(brentq(excess, low, 0.0, rtol=1e-3))
