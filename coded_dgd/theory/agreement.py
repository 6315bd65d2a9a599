"""This module compares a Monte Carlo simulation with the exact prediction."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from coded_dgd.theory.monte_carlo import Sample
from coded_dgd.theory.prediction import Prediction


class Agreement(NamedTuple):
    """An agreement holds differences in standard errors and a Kolmogorov-Smirnov test of times."""

    mean: float
    std: float
    load: float
    """Difference of the communication load; 0 if its prediction is not exact."""
    distance: float
    """Largest distance between the distribution functions."""
    p_value: float


def agreement(exact: Prediction, sample: Sample) -> Agreement:
    """Compare an exact prediction with realisations all of which complete."""
    from scipy.stats import kstest

    variance, fourth = (np.mean((sample.times - sample.times.mean()) ** k) for k in (2, 4))
    error_of_std = sqrt((fourth - variance**2) / sample.realisations) / (2 * sqrt(variance))
    # between quantiles of the sample the distribution is close to linear
    grid = np.concatenate([np.linspace(0, 1, 401), 1 - np.geomspace(1e-6, 0.0025, 40)])
    nodes = np.unique(np.quantile(sample.times, grid))
    levels = [exact.cdf(t) for t in nodes]
    test = kstest(sample.times, lambda t: np.interp(t, nodes, levels))
    compared = exact.communication_load_standard_error is None
    return Agreement(
        mean=(sample.mean - exact.mean) / sample.standard_error,
        std=(sample.std - exact.std) / error_of_std,
        load=off_load(exact, sample) if compared else 0.0,
        distance=float(test.statistic),
        p_value=float(test.pvalue),
    )


def off_load(exact: Prediction, sample: Sample) -> float:
    """Return the difference of the communication loads in standard errors.

    The standard error is at least 1 / realisations, since an event that is rarer than this may be
    absent from the sample.
    """
    error = max(sample.communication_load_standard_error, 1 / sample.realisations)
    return (sample.communication_load - exact.communication_load) / error
