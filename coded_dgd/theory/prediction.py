"""This module predicts one iteration, by closed form if there is one, else by Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, nan, sqrt
from typing import Literal

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory.completion import Completion
from coded_dgd.theory.monte_carlo import Sample, affordable, simulate

DRAWN = 100_000
"""Default number of realisations."""
OF_A_RUN = 10_000
"""Number of realisations from which a run's expected completion time is found, if need be."""


@dataclass(frozen=True)
class Prediction:
    """A prediction covers the completion time, in seconds, and the communication load."""

    mean: float
    """Mean completion time; inf if it is infinite or the gradient may never become decodable."""
    std: float
    standard_error: float | None
    """Standard error of the mean; None if the mean is exact."""
    communication_load: float
    """Mean number of messages up to and including the one that completes the gradient."""
    communication_load_standard_error: float | None
    """Standard error of the load; None if the load is exact.

    The load may come from Monte Carlo even if the completion time is exact.
    """
    tolerance: float | None
    """Error of exact mean and std, relative to the mean."""
    completion: Completion | None
    """Distribution of the completion time, if it is exact."""
    sample: Sample | None
    """Result of the Monte Carlo simulation, if there was one."""

    @property
    def method(self) -> Literal["exact", "monte-carlo"]:
        """Method by which mean and std were found."""
        return "monte-carlo" if self.completion is None else "exact"

    @property
    def realisations(self) -> int | None:
        """Number of Monte Carlo realisations, or None without a simulation."""
        return None if self.sample is None else self.sample.realisations

    def cdf(self, t: float) -> float:
        """Return Pr(T <= t)."""
        if self.completion is not None:
            return 1 - self.completion.survival(t)
        assert self.sample is not None
        return float(np.mean(self.sample.times <= t))

    def cdf_standard_error(self, t: float) -> float | None:
        """Return the standard error of `cdf`, or None if it is exact."""
        if self.completion is not None:
            return None
        assert self.sample is not None
        p = self.cdf(t)
        return sqrt(p * (1 - p) / len(self.sample.times))

    def quantile(self, q: float) -> float:
        """Return the smallest t with Pr(T <= t) >= q, for 0 < q < 1."""
        if self.completion is not None:
            from coded_dgd.theory.integrate import quantile

            return quantile(self.completion, q)
        assert self.sample is not None
        return self.sample.quantile(q)


def expected(scheme: Scheme, delay: DelayModel) -> Prediction | None:
    """Predict a run in a second or so, or return None if the mean is not finite."""
    found = predict(scheme, delay, realisations=affordable(scheme, OF_A_RUN))
    return found if isfinite(found.mean) else None


def predict(
    scheme: Scheme,
    delay: DelayModel,
    *,
    exact: bool = True,
    realisations: int | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> Prediction:
    """Predict completion time and communication load.

    Parameters
    ----------
    scheme : Scheme
        Scheme, fitted to the data if it depends on them.
    exact : bool
        Whether to use closed forms if they exist.
    realisations : int, optional
        Number of realisations of Monte Carlo; by default `DRAWN`, or what is affordable instead.
    seed, jobs
        Parameters of Monte Carlo; see `monte_carlo.simulate`.

    Raises
    ------
    UsageError
        If the delay model does not cover the scheme's workers and tasks.

    Examples
    --------
    >>> from coded_dgd import delays, schemes
    >>> scheme = schemes.create("lcc-mmc", workers=8, load=4)
    >>> found = predict(scheme, delays.create("shifted-exponential:mu=10,alpha=0.01", seed=0))
    >>> found.method, round(found.mean, 4), round(found.cdf(0.2), 4), found.communication_load
    ('exact', 0.1614, 0.7682, 15)
    """
    delay.check(scheme.workers, scheme.work_under(delay))
    realisations = affordable(scheme, DRAWN) if realisations is None else realisations
    completion = None
    if exact:
        from coded_dgd.theory.exact import exact_completion

        completion = exact_completion(scheme, delay)
    if completion is None:
        sample = simulate(scheme, delay, realisations, seed, jobs)
        return Prediction(
            mean=sample.mean,
            std=sample.std,
            standard_error=sample.standard_error,
            communication_load=sample.communication_load,
            communication_load_standard_error=sample.communication_load_standard_error,
            tolerance=None,
            completion=None,
            sample=sample,
        )
    from coded_dgd.theory.integrate import integrate

    found = integrate(completion)
    prediction = Prediction(
        mean=found.mean,
        std=found.std,
        standard_error=None,
        communication_load=nan if found.messages is None else found.messages,
        communication_load_standard_error=None,
        tolerance=found.tolerance,
        completion=completion,
        sample=None,
    )
    if found.messages is not None:
        return prediction
    sample = simulate(scheme, delay, realisations, seed, jobs)
    return replace(
        prediction,
        communication_load=sample.communication_load,
        communication_load_standard_error=sample.communication_load_standard_error,
        sample=sample,
    )
