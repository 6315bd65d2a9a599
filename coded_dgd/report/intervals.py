"""This module computes confidence intervals of measured means and of their ratios."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95

Interval = tuple[float, float]


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval | None:
    """Return Student's interval of the mean of independent values, or None for a single value."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return None
    half = _quantile(len(x), confidence) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean() - half), float(x.mean() + half)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, confidence: float = CONFIDENCE
) -> Interval | None:
    """Return the interval of mean(numerator) / mean(denominator) for paired values.

    The method linearises the logarithm (Cochran, Sampling Techniques, 1977, Section 6.4). What the
    two values of a pair have in common, such as the same delays in the same iteration, does not
    widen the interval. The result is None for a single pair or if a mean is not positive.
    """
    a, b = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if len(a) < 2 or a.mean() <= 0 or b.mean() <= 0:
        return None
    relative = (a / a.mean() - b / b.mean()).std(ddof=1) / np.sqrt(len(a))
    ratio, factor = a.mean() / b.mean(), np.exp(_quantile(len(a), confidence) * relative)
    return float(ratio / factor), float(ratio * factor)


def _quantile(count: int, confidence: float) -> float:
    """Return the two-sided quantile of Student's distribution with count - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + confidence) / 2))
