"""This module holds the law of the sum of two independent exponential times.

If the rates differ, it is the hypoexponential law, and if they are equal, the Erlang law. With
slow <= fast and d = fast - slow ::

    Pr(A + B > y) = exp(-slow y) (1 + slow (1 - exp(-d y)) / d)

All terms are positive, so that the relative error is small for any rates and any y. A rate of inf
stands for no time.
"""

from __future__ import annotations

import numpy as np

from coded_dgd.delays.base import Floats

NEVER = 1000.0
"""Exponent -x from which exp(x) is 0 in double precision."""


def late(y: Floats, first: float, second: Floats) -> Floats:
    """Return Pr(A + B > y) for exponential times of these rates.

    Parameters
    ----------
    y : (J,) array
        Seconds; the probability of a negative time is 0.
    first : float
        Rate of A in 1/s.
    second : (J,) array
        Rates of B in 1/s, either all finite or all inf.
    """
    slow, fast = np.minimum(first, second), np.maximum(first, second)
    if np.isinf(slow).any():
        return np.where(y < 0, 1.0, 0.0)
    y = np.clip(y, 0.0, NEVER / slow)
    return np.exp(-slow * y) * (1 + slow * _weight(y, slow, fast))


def density(y: Floats, first: float, second: Floats) -> Floats | None:
    """Return the density of A + B at y in 1/s, or None if neither takes time; see `late`."""
    slow, fast = np.minimum(first, second), np.maximum(first, second)
    if np.isinf(slow).any():
        return None
    after = np.clip(y, 0.0, NEVER / slow)
    rate = slow if np.isinf(fast).any() else slow * (fast * _weight(after, slow, fast))
    return np.where(y < 0, 0.0, rate * np.exp(-slow * after))


def _weight(y: Floats, slow: Floats, fast: Floats) -> Floats:
    """Return (1 - exp(-d y)) / d with d = fast - slow, for y >= 0.

    The limits are y for d = 0, and 0 for d = inf.
    """
    if np.isinf(fast).any():
        return np.zeros_like(y)
    d = fast - slow
    with np.errstate(over="ignore"):
        z = d * y
    weight: Floats = np.divide(-np.expm1(-z), d, out=y.copy(), where=z > 0)
    return weight
