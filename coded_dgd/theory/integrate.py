"""Moments and quantiles of a completion time from its distribution, by adaptive integration."""

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
"""Errors of mean and standard deviation that are aimed at, relative to the mean."""

PRECISION = 1e-11
"""Errors of integrals that are aimed at, in units of the width of the distribution."""

NEGLIGIBLE = 1e-13
"""Probability that does not matter."""

PANELS = (0.0, 1.0, 3.0, 10.0)
"""Where the tail is cut into panels to begin with."""

FAR_QUANTILE, FAR_WIDTHS = 0.99, 10.0
"""This quantile is to be at most so many widths beyond the median."""

FAR = 345.0
"""From here on heavy tails are the power of t that they tend to; sinh(FAR) is about 1e150."""


@dataclass(frozen=True)
class Integrals:
    """What integration has found. Times in seconds."""

    mean: float
    """inf where it is infinite."""
    std: float
    """inf where the second moment is infinite, nan where the mean is."""
    messages: float | None
    """E[messages by T]; None where there is no exact form."""
    tolerance: float
    """Errors of mean and std, relative to the mean: `TOLERANCE`, or what was reached if more."""


def integrate(completion: Completion) -> Integrals:
    """Mean (eq. (16) of Ozfatura et al.), standard deviation, and messages until completion.

    The moments about the median are integrals of Pr(T > t) beyond and of Pr(T <= t) below it, over
    t = median + width sinh(v), which suits light and heavy tails.
    """
    tail = completion.tail
    median = quantile(completion, 0.5)
    if median in (0, inf):
        return Integrals(median, 0.0 if median == 0 else nan, completion.messages, TOLERANCE)
    # a few slow workers put some of it far off: in units of a narrow core that would be too far
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
    """Smallest t with Pr(T <= t) >= q, for 0 < q < 1."""

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
    """Breakpoints after `begin`, up to the one at which everything is over."""
    for t in np.sort(completion.breakpoints):
        if t > begin:
            yield float(t)
            if completion.survival(t) <= NEGLIGIBLE:
                return


def _width_below(completion: Completion, median: float) -> float:
    """Distance from the median down to where Pr(T <= t) is negligible, or a little more."""
    width, less = median, 0.8
    while width > 1e-6 * median and completion.survival(median - less * width) >= 1 - NEGLIGIBLE:
        width *= less
    return width
