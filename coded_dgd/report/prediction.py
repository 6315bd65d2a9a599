"""This module formats the predictions of ``theory`` and ``simulate``, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from time import perf_counter
from typing import Any

from coded_dgd.delays.base import DelayModel
from coded_dgd.report.columns import line, number
from coded_dgd.schemes.base import Scheme
from coded_dgd.theory import Prediction, predict
from coded_dgd.theory.cases import PredictedCase

FIGURES = (
    "expected_completion_time",
    "std",
    "standard_error",
    "communication_load",
    "communication_load_standard_error",
    "method",
    "tolerance",
    "realisations",
    "quantiles",
    "lower_limit",
    "perfect_split",
    "perfect_split_standard_error",
)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
COLUMNS = ("E[T]", "+-", "std", *QUANTILES, "messages", "limit", "perfect split")
WIDTHS = (18, 4, *[11] * (len(COLUMNS) - 1), 14)


def describe(
    case: PredictedCase, delay: DelayModel, *, cdf_at: Sequence[float] = (), **options: Any
) -> dict[str, Any]:
    """Predict one iteration; times are in seconds, and None stands for a number that is not finite.

    Parameters
    ----------
    cdf_at : sequence of float
        Times t in seconds at which Pr(T <= t) is computed.
    **options
        Options of `predict`.
    """
    scheme = case.scheme
    entry = {
        "scheme": case.name,
        "workers": case.workers,
        "blocks": scheme.blocks if scheme else case.given.get("blocks"),
        "load": scheme.load if scheme else case.given.get("load"),
        **dict.fromkeys(FIGURES),
        "notes": [] if scheme else [str(case.refusal)],
    }
    if scheme is None:
        return entry
    begin = perf_counter()
    prediction = predict(scheme, delay, **options)
    entry |= {
        "expected_completion_time": _finite(prediction.mean),
        "std": _finite(prediction.std),
        "standard_error": _finite(prediction.standard_error),
        "communication_load": _finite(prediction.communication_load),
        "communication_load_standard_error": _finite(prediction.communication_load_standard_error),
        "method": prediction.method,
        "tolerance": prediction.tolerance,
        "realisations": prediction.realisations,
        "quantiles": {name: _finite(prediction.quantile(q)) for name, q in QUANTILES.items()},
        **_limits(scheme, delay, options.get("seed", 0)),
        "notes": _notes(prediction),
    }
    if cdf_at:
        entry["cdf_at"] = list(cdf_at)
        entry["cdf"] = [prediction.cdf(t) for t in cdf_at]
        entry["cdf_standard_error"] = [prediction.cdf_standard_error(t) for t in cdf_at]
    return entry | {"seconds": perf_counter() - begin}


def header() -> str:
    """Return the first line of the table."""
    return line(["seconds", "r", *COLUMNS], WIDTHS) + "  method"


def row(entry: dict[str, Any]) -> str:
    """Return the line of the table for an entry, followed by its notes."""
    load = "" if entry["load"] is None else entry["load"]
    if entry["method"] is None:
        cells, method = ["infeasible"], ""
    else:
        numbers = [
            entry["expected_completion_time"],
            entry["standard_error"],
            entry["std"],
            *entry["quantiles"].values(),
            entry["communication_load"],
            entry["lower_limit"],
            entry["perfect_split"],
        ]
        cells, method = [number(each, ".5g") for each in numbers], f"  {entry['method']}"
    told = line([entry["scheme"], str(load), *cells], WIDTHS) + method
    return "\n".join([told, *(f"    {note}" for note in entry["notes"])])


def _limits(scheme: Scheme, delay: DelayModel, seed: int) -> dict[str, float | None]:
    """Return mean times below which no scheme comes that has to do N tasks, None if unknown.

    They are the time until N tasks are done, and that of work split perfectly by speed. Approximate
    schemes may need fewer tasks.
    """
    if not scheme.exact:
        return {}
    from coded_dgd.theory.exact import lower_limit
    from coded_dgd.theory.integrate import integrate
    from coded_dgd.theory.perfect_split import perfect_split

    limit, split = lower_limit(scheme, delay), perfect_split(scheme, delay, seed)
    return {
        "lower_limit": None if limit is None else _finite(integrate(limit).mean),
        "perfect_split": _finite(split.mean),
        "perfect_split_standard_error": split.standard_error,
    }


def _notes(prediction: Prediction) -> list[str]:
    notes = []
    if prediction.mean == inf:
        notes.append(
            "mean and standard deviation are infinite: the delays have too heavy a tail"
            if prediction.method == "exact"
            else "some realisations never complete: there is no mean"
        )
    elif prediction.std == inf:
        notes.append("the standard deviation is infinite: the delays have too heavy a tail")
    if prediction.method == "exact" and prediction.communication_load_standard_error is not None:
        notes.append("messages by Monte Carlo: there is no exact form here")
    return notes


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
