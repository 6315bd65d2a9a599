"""How far a Monte Carlo simulation is from the exact prediction."""

from typing import NamedTuple

import numpy as np
from scipy.stats import kstest

from coded_dgd.theory import predict
from coded_dgd.theory.monte_carlo import simulate


class Agreement(NamedTuple):
    """Differences in standard errors, and the p-value of the Kolmogorov-Smirnov test."""

    mean: float
    std: float
    load: float
    p_value: float


def agreement(scheme, delay, realisations, seed=0, jobs=1):
    """Compare; None where the completion time has no exact form."""
    exact = predict(scheme, delay, realisations=2)
    if exact.method != "exact":
        return None
    sample = simulate(scheme, delay, realisations, seed, jobs)
    deviations = sample.times - sample.times.mean()
    variance, fourth = np.mean(deviations**2), np.mean(deviations**4)
    error_of_std = np.sqrt((fourth - variance**2) / realisations) / (2 * np.sqrt(variance))
    load = 0.0
    if exact.communication_load_standard_error is None:
        off = sample.communication_load - exact.communication_load
        # what is rarer than once in so many realisations may never have been drawn
        load = off / max(sample.communication_load_standard_error, 1 / realisations)
    # between quantiles of the sample the distribution is close to linear
    grid = np.concatenate([np.linspace(0, 1, 401), 1 - np.geomspace(1e-6, 0.0025, 40)])
    nodes = np.unique(np.quantile(sample.times, grid))
    levels = [exact.cdf(t) for t in nodes]
    return Agreement(
        mean=(sample.mean - exact.mean) / sample.standard_error,
        std=(sample.std - exact.std) / error_of_std,
        load=load,
        p_value=kstest(sample.times, lambda t: np.interp(t, nodes, levels)).pvalue,
    )
