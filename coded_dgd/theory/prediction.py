"""What one iteration will take: exactly where there is a closed form, else by Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory.monte_carlo import simulate


@dataclass(frozen=True)
class Prediction:
    """Completion time and communication load of one iteration. Times in seconds."""

    method: Literal["exact", "monte-carlo"]
    mean: float
    """inf where it is infinite, or where the gradient may never become decodable."""
    std: float
    standard_error: float | None
    """Of the mean; None where it is exact."""
    communication_load: float
    """Mean number of messages up to and including the one that completes the gradient."""
    communication_load_standard_error: float | None
    """None where the load is exact; without exact form it is Monte Carlo whatever the method."""
    tolerance: float | None
    """Relative error of mean and std where they are exact."""
    realisations: int | None
    """Of Monte Carlo, None where there was none."""
    cdf: Callable[[float], float]
    """Pr(T <= t)."""
    quantile: Callable[[float], float]
    """Smallest t with Pr(T <= t) >= q."""

    def cdf_standard_error(self, t: float) -> float | None:
        """Standard error of `cdf`; None where it is exact."""
        if self.method == "exact" or self.realisations is None:
            return None
        p = self.cdf(t)
        return float(np.sqrt(p * (1 - p) / self.realisations))


def predict(
    scheme: Scheme,
    delay: DelayModel,
    *,
    exact: bool = True,
    realisations: int = 100_000,
    seed: int = 0,
    jobs: int = 1,
) -> Prediction:
    """Predict completion time and communication load.

    Parameters
    ----------
    scheme : Scheme
        Fitted to the data, if it is one that has to be.
    exact : bool
        Whether to use closed forms where there are any.
    realisations, seed, jobs
        For Monte Carlo, see `monte_carlo.simulate`.

    Raises
    ------
    UsageError
        If the delay model does not cover the scheme's workers and tasks.
    """
    delay.check(scheme.workers, scheme.work)
    if exact and (prediction := _exact(scheme, delay, realisations, seed, jobs)):
        return prediction
    sample = simulate(scheme, delay, realisations, seed, jobs)
    return Prediction(
        method="monte-carlo",
        mean=sample.mean,
        std=sample.std,
        standard_error=sample.standard_error,
        communication_load=sample.communication_load,
        communication_load_standard_error=sample.communication_load_standard_error,
        tolerance=None,
        realisations=sample.realisations,
        cdf=lambda t: float(np.mean(sample.times <= t)),
        quantile=sample.quantile,
    )


def _exact(
    scheme: Scheme, delay: DelayModel, realisations: int, seed: int, jobs: int
) -> Prediction | None:
    from coded_dgd.theory.exact import exact_completion
    from coded_dgd.theory.integrate import integrate, quantile

    completion = exact_completion(scheme, delay)
    if completion is None:
        return None
    found = integrate(completion)
    load, error, drawn = found.messages, None, None
    if load is None:
        sample = simulate(scheme, delay, realisations, seed, jobs)
        load, error = sample.communication_load, sample.communication_load_standard_error
        drawn = realisations
    return Prediction(
        method="exact",
        mean=found.mean,
        std=found.std,
        standard_error=None,
        communication_load=load,
        communication_load_standard_error=error,
        tolerance=found.tolerance,
        realisations=drawn,
        cdf=lambda t: 1 - completion.survival(t),
        quantile=partial(quantile, completion),
    )
