"""What is known when a run starts."""

from __future__ import annotations

from dataclasses import dataclass

from coded_dgd.problems.problem import Problem
from coded_dgd.theory.predictor import GuardForecast


@dataclass
class Start:
    """What is known when the first beta_t leaves."""

    problem: Problem
    step: float
    forecast: GuardForecast | None
    """What the guard will do; None where decode weights cannot amplify errors."""
    startup_time: float
    """Seconds since this process started."""
    left_at: float
    """Now, in seconds since the Epoch."""
    cautions: list[str]
    """What speaks against the scheme for these data."""
    kernel: str
    """How workers compute (`engine.kernels`)."""
