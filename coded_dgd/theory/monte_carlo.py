"""Monte Carlo over a scheme's own completion rule."""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Floats, Scheme


def completion_times(
    scheme: Scheme, delay: DelayModel, realisations: int, seed: int, batch: int = 1000
) -> Floats:
    """Draw completion times of one iteration, of shape (realisations,), in seconds."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    times = []
    for start in range(0, realisations, batch):
        count = min(batch, realisations - start)
        finish = delay.sample(rng, count, scheme.workers, scheme.work)
        times.append(scheme.completion_time(scheme.message_times(finish)))
    return np.concatenate(times)
