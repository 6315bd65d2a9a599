"""This module forecasts the effect of the guard from straggler patterns sampled before a run."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.schemes.base import Floats


@dataclass(frozen=True)
class GuardForecast:
    """A guard forecast is a distribution of the error amplification over straggler patterns."""

    samples: int
    amplification: Floats
    """Error amplification at the first decodable set, before the guard; shape (samples,)."""
    extra_messages: Floats
    """Number of further messages for which the guard waits; shape (samples,)."""

    @property
    def waiting(self) -> float:
        """Fraction of iterations in which the guard waits for further messages."""
        return float(np.mean(self.extra_messages > 0))


def forecast(
    decoder: GuardedDecoder,
    delay: DelayModel,
    *,
    samples: int = 300,
    seconds: float = np.inf,
    seed: int = 0,
) -> GuardForecast:
    """Sample straggler patterns, and decode each under the guard of `decoder`.

    Parameters
    ----------
    samples : int
        Number of patterns to sample.
    seconds : float
        Time limit. After it the forecast uses the samples drawn so far, at least one.
    """
    scheme = decoder.scheme
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    work = scheme.work_under(delay)
    end = perf_counter() + seconds
    amplification: list[float] = []
    extra: list[int] = []
    while len(amplification) < samples and (not amplification or perf_counter() < end):
        replay(decoder, delay.sample(rng, 1, scheme.workers, work)[0])
        amplification.append(decoder.first_amplification)
        extra.append(decoder.extra)
    return GuardForecast(len(amplification), np.array(amplification), np.array(extra, dtype=float))
