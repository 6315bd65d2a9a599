"""This module holds the model without delays: a task takes its computing time only."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from coded_dgd.delays.base import DelayModel, Floats


class NoDelay(DelayModel):
    """``none`` injects no delay."""

    injects: ClassVar[bool] = False

    def __init__(self, seed: int) -> None:
        del seed  # nothing is drawn

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        return np.zeros(len(work))

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        return np.zeros((realisations, workers, work.shape[-1]))
