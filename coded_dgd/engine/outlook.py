"""What is to be expected of a scheme is found before the first iteration."""

from __future__ import annotations

from coded_dgd.config import RunConfig
from coded_dgd.delays.base import DelayModel
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems.sources import Source
from coded_dgd.schemes import remedies
from coded_dgd.theory import predictor
from coded_dgd.theory.predictor import GuardForecast

FORECAST_SECONDS = 0.2
OFTEN = 0.5
"""Fraction of iterations with a waiting guard from which on a warning is given."""


def look_ahead(
    decoder: GuardedDecoder, delay: DelayModel, config: RunConfig, source: Source
) -> tuple[GuardForecast | None, list[str]]:
    """Return how the guard is going to act, and reasons against using the scheme with these data.

    The forecast is None if decoding weights cannot amplify errors.
    """
    scheme, forecast = decoder.scheme, None
    cautions = scheme.cautions(source.rows, source.features, config.iterations)
    if scheme.amplifies:
        forecast = predictor.forecast(decoder, delay, seconds=FORECAST_SECONDS)
        if forecast.waiting > OFTEN:
            single = config.dtype == "float32"
            cautions.append(
                f"{'--dtype float32' if single else scheme.name}: the guard ({config.guard:g}) is "
                f"going to wait in {forecast.waiting:.0%} of iterations: use "
                f"{remedies.CALMER_IN_SINGLE if single else remedies.CALMER_IN_DOUBLE}"
            )
    return forecast, cautions
