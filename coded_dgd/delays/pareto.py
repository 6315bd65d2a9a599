"""This module holds a model with a heavy tail: rarely, a worker takes very much longer."""

from __future__ import annotations

from math import inf

import numpy as np

from coded_dgd.delays._durations import DrawnDurations
from coded_dgd.delays.base import Floats
from coded_dgd.errors import UsageError

LEAST_SHAPE = 0.1
"""Smallest shape; below it durations overflow."""


class Pareto(DrawnDurations):
    """``pareto:shape=2.2,scale=0.06,tasks=shared`` draws durations from a Pareto law.

    A task takes longer than x >= scale with probability (scale/x)^shape. The mean is
    shape scale / (shape - 1), by default 0.11 s as for the shifted exponential. The mean is
    infinite for shape <= 1, and the variance for shape <= 2.

    Parameters
    ----------
    shape : float
        Tail index.
    scale : float
        Smallest duration of a task in seconds.
    tasks : str
        ``shared`` or ``independent`` durations, see `DrawnDurations`.
    seed : int
    """

    parameters = {"shape": (float, 2.2), "scale": (float, 0.06), "tasks": (str, "shared")}

    def __init__(self, shape: float, scale: float, tasks: str, seed: int) -> None:
        super().__init__(tasks, seed)
        if not LEAST_SHAPE <= shape < inf:
            raise UsageError(
                f"pareto: shape = {shape:g} is out of range: choose {LEAST_SHAPE:g} or more, "
                "such as shape=2.2"
            )
        if not 0 < scale < inf:
            raise UsageError(
                f"pareto: scale = {scale:g} has to be a time in seconds, such as scale=0.06"
            )
        self.shape, self.scale = shape, scale

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return self.scale * (1 + rng.pareto(self.shape, shape))

    def exceeds(self, x: Floats) -> Floats:
        return (self.scale / np.maximum(x, self.scale)) ** self.shape

    def density(self, worker: int, x: Floats) -> Floats | None:
        if self.independent:
            return None
        hazard = self.shape / np.maximum(x, self.scale)
        return np.where(x < self.scale, 0.0, hazard * self.exceeds(x))

    def breakpoints(self, worker: int) -> tuple[float, ...]:
        return (self.scale,)
