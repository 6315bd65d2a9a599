"""The length of a step along a direction, found by one trial after another."""

from __future__ import annotations

from math import inf, isfinite, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DECREASE, CURVATURE = 1e-4, 0.9
"""Constants c1 and c2 of the Wolfe conditions."""
APPROXIMATE = 0.1
"""Constant delta of the approximate Wolfe conditions."""
NOISE = 1e-6
"""Increase of the loss, relative to its value, that may be an error of rounding or decoding."""
FARTHER = 10.0
"""Largest extrapolation, in units of the distance to the step before."""
INSIDE = 0.1
"""Least distance of a trial from the ends of the bracket, in units of its length."""


class TrialStep(NamedTuple):
    """A trial is a step with the loss and the derivative of the loss along the direction."""

    step: float
    loss: float
    slope: float

    @property
    def is_finite(self) -> bool:
        """Whether loss and slope are finite."""
        return isfinite(self.loss) and isfinite(self.slope)


class LineSearch:
    """A line search takes trials at steps > 0 until one suffices.

    A trial suffices if it fulfils the strong Wolfe conditions, or the approximate ones of Hager and
    Zhang ("A new conjugate gradient method with guaranteed descent and an efficient line search",
    2005, Section 4). The latter judge by slopes where differences of losses are mere noise.

    Parameters
    ----------
    begin : TrialStep
        Loss and slope at step 0; the slope is negative.
    step : float
        Step of the first trial.

    Attributes
    ----------
    step : float
        Step of the next trial.
    trials : int
        Number of trials so far.
    low : TrialStep
        The latest trial, or the beginning, from where the loss still falls.
    high : TrialStep or None
        A trial beyond a minimum, if there is one.
    """

    def __init__(self, begin: TrialStep, step: float) -> None:
        self.begin, self.step, self.trials = begin, step, 0
        self.low, self.high = begin, None  # type: TrialStep, TrialStep | None

    def take(self, loss: float, slope: float) -> bool:
        """Return whether the trial at `step` suffices; if not, `step` is the next one."""
        trial = TrialStep(self.step, loss, slope)
        self.trials += 1
        if self._suffices(trial):
            return True
        if slope < 0 and loss <= self._limit:
            self.step, self.low = self._beyond(trial), trial
        else:
            self.high = trial
        if self.high is not None:
            self.step = _between(self.low, self.high, abs(self.begin.loss) * NOISE)
        return False

    @property
    def _limit(self) -> float:
        """Largest loss that counts as no higher than at the beginning."""
        return self.begin.loss + NOISE * abs(self.begin.loss)

    def _suffices(self, trial: TrialStep) -> bool:
        steepness = -self.begin.slope
        if trial.loss <= self.begin.loss - DECREASE * trial.step * steepness:
            return abs(trial.slope) <= CURVATURE * steepness
        high = (1 - 2 * APPROXIMATE) * steepness
        return trial.loss <= self._limit and -CURVATURE * steepness <= trial.slope <= high

    def _beyond(self, trial: TrialStep) -> float:
        """Return a longer step, by the secant through the slopes of `low` and of a trial."""
        width, rise = trial.step - self.low.step, trial.slope - self.low.slope
        ahead = width * -trial.slope / rise if rise > 0 else inf
        return trial.step + min(max(ahead, width), FARTHER * width)

    def state(self) -> Floats:
        """Return the numbers of the search, all of them finite.

        There are 8, and those of `high` if it exists; its step alone if its loss is not finite.
        """
        high = () if self.high is None else self.high if self.high.is_finite else self.high[:1]
        return np.array([self.step, self.trials, *self.begin, *self.low, *high])

    @classmethod
    def restored(cls, state: Floats) -> LineSearch:
        """Return the search that `state` describes."""
        step, trials, *rest = state.tolist()
        begin, low, high = rest[:3], rest[3:6], rest[6:]
        found = cls(TrialStep(*begin), step)
        found.trials, found.low = int(trials), TrialStep(*low)
        found.high = TrialStep(*high, *[inf] * (3 - len(high))) if high else None
        return found


def _between(low: TrialStep, high: TrialStep, noise: float) -> float:
    """Return a step inside a bracket, where an interpolation has its minimum.

    The interpolations are those of More and Thuente ("Line search algorithms with guaranteed
    sufficient decrease", 1994, Section 4, cases 1 and 2). Where losses differ by no more than
    `noise`, only slopes are used. Where the loss at `high` is not finite, the step is short.
    """
    width, rise = high.step - low.step, high.slope - low.slope
    fall = low.slope * width
    if not high.is_finite:
        part = INSIDE
    elif abs(high.loss - low.loss) <= noise:
        part = -low.slope / rise if rise > 0 else 0.5
    elif high.loss > low.loss:
        cubic, parabola = _cubic(low, high), fall / 2 / (fall - (high.loss - low.loss))
        part = cubic if cubic < parabola else (cubic + parabola) / 2
    else:
        part = min(_cubic(low, high), -low.slope / rise)
    return low.step + min(max(part, INSIDE), 1 - INSIDE) * width


def _cubic(low: TrialStep, high: TrialStep) -> float:
    """Return where the cubic through two trials is least, from 0 at `low` to 1 at `high`."""
    secant = (high.loss - low.loss) / (high.step - low.step)
    middle = low.slope + high.slope - 3 * secant
    root = sqrt(max(middle * middle - low.slope * high.slope, 0.0))
    divisor = high.slope - low.slope + 2 * root
    return 1 - (high.slope + root - middle) / divisor if divisor > 0 else 0.5
