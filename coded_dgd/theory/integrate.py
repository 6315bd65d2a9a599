"""This module integrates the distribution of a completion time for its moments and quantiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import asinh, cosh, inf, nan, sinh, sqrt

import numpy as np
from scipy.integrate import quad_vec
from scipy.optimize import brentq

from coded_dgd.schemes.base import Floats
from coded_dgd.theory.completion import Completion

TOLERANCE = 1e-9
"""Target error of mean and standard deviation, relative to the mean."""

PRECISION = 1e-11
"""Target error of integrals, in units of the width of the distribution."""

NEGLIGIBLE = 1e-13
"""Probability that is negligible."""

PANELS = (0.0, 1.0, 3.0, 10.0)
"""Initial boundaries of the panels in the tail, in the variable v of `integrate`."""

FAR_QUANTILE, FAR_WIDTHS = 0.99, 10.0
"""Quantile that lies at most this number of widths beyond the median."""

FAR = 345.0
"""Value of v from which heavy tails follow their limiting power of t; sinh(FAR) is about 1e150."""


@dataclass(frozen=True)
class Integrals:
    """These are the results of the integration; times are in seconds."""

    mean: float
    """Mean, or inf if it is infinite."""
    std: float
    """Standard deviation; inf if the second moment is infinite, nan if the mean is infinite."""
    messages: float | None
    """E[messages by T], or None if it has no exact form."""
    tolerance: float
    """Error of mean and std, relative to the mean: `TOLERANCE`, or the error reached if larger."""


def integrate(completion: Completion) -> Integrals:
    """Return mean (eq. (16) of Ozfatura et al.), standard deviation, and messages by completion.

    The moments about the median are integrals of Pr(T > t) beyond and of Pr(T <= t) below it, over
    t = median + width sinh(v), which suits light and heavy tails.
    """
    tail = completion.tail
    median = quantile(completion, 0.5)
    if median in (0, inf):
        return Integrals(median, 0.0 if median == 0 else nan, completion.messages, TOLERANCE)
    # A few slow workers may put mass too far out to reach in units of a narrow core.
    far = (quantile(completion, FAR_QUANTILE) - median) / FAR_WIDTHS
    width = max(_width_below(completion, median), far)
    begin = max(0.0, median - width)
    rates = completion.messages is None and completion.message_rate(median) is not None
    scale = max(completion.messages_by(median), 1.0)
    orders = [order for order in (1, 2) if order < tail]

    def integrand(v: float) -> Floats:
        values = np.zeros(3)
        distance = sinh(v)
        t = median + width * distance
        late = completion.survival(t)
        if late > 0:
            side = late if v > 0 else late - 1.0
            for order in orders:
                values[order - 1] = order * side * distance ** (order - 1)
            if rates:
                rate = completion.message_rate(t)
                assert rate is not None
                values[2] = rate * width / scale
        return values * cosh(v)

    points = [*PANELS, *(asinh((t - median) / width) for t in _kinks(completion, begin))]
    lowest = asinh((begin - median) / width)
    values, error = quad_vec(
        integrand, lowest, FAR, epsabs=PRECISION, epsrel=0, norm="max", points=sorted(points)
    )
    for order in orders:
        beyond = completion.survival(median + width * sinh(FAR)) * sinh(FAR) ** order
        values[order - 1] += beyond * order / (tail - order)
    first, second, rate = (float(value) for value in values)
    mean = median + width * first
    variance = max(0.0, second - first**2)
    error_of_variance = error * (1 + 2 * abs(first)) if tail > 2 else 0.0
    error_of_std = sqrt(variance + error_of_variance) - sqrt(variance)
    return Integrals(
        mean=mean if tail > 1 else inf,
        std=width * sqrt(variance) if tail > 2 else inf if tail > 1 else nan,
        messages=completion.messages_by(begin) + scale * rate if rates else completion.messages,
        tolerance=max(TOLERANCE, max(error, error_of_std) * width / mean),
    )


def quantile(completion: Completion, q: float) -> float:
    """Return the smallest t with Pr(T <= t) >= q, for 0 < q < 1."""

    def excess(t: float) -> float:
        return completion.survival(t) - (1 - q)

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2
        if high == inf:
            return inf
    while excess(high / 2) <= 0:
        high /= 2
    return float(brentq(excess, high / 2, high, xtol=1e-14 * high, rtol=1e-13))


def _kinks(completion: Completion, begin: float) -> Iterator[float]:
    """Yield breakpoints after `begin`, up to the first with a negligible Pr(T > t)."""
    for t in np.sort(completion.breakpoints):
        if t > begin:
            yield float(t)
            if completion.survival(t) <= NEGLIGIBLE:
                return


def _width_below(completion: Completion, median: float) -> float:
    """Return a distance below the median, not much too large, at which Pr(T <= t) is negligible."""
    width, less = median, 0.8
    while width > 1e-6 * median and completion.survival(median - less * width) >= 1 - NEGLIGIBLE:
        width *= less
    return width
