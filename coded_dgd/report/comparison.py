"""The object that ``compare --json`` prints and ``comparison.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coded_dgd.engine.comparison import Comparison
from coded_dgd.engine.job import Outcome
from coded_dgd.report.intervals import CONFIDENCE, mean_interval, ratio_interval
from coded_dgd.runs.summary import summarize

OF_THE_JOB = ("startup_time", "shutdown_time", "wall_time", "first_point_at", "worker_cpu")
"""Figures of a summary that are about all schemes together."""


def describe(comparison: Comparison, parameters: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Build the object that ``compare --json`` prints; times in seconds.

    ``results`` has, for each scheme, what ``run --json`` prints but for the figures of the whole
    job, which are beside it; ``completion_time_interval``; and ``speed_up`` over the first scheme:
    ``measured`` with its ``interval``, ``ideal`` in virtual time, and ``expected``.
    """
    results = [summarize(outcome, None) for outcome in comparison.outcomes]
    job = {key: results[0][key] for key in OF_THE_JOB}
    for outcome, result in zip(comparison.outcomes, results, strict=True):
        for key in (*OF_THE_JOB, "run_folder"):
            del result[key]
        result["completion_time_interval"] = mean_interval(_measured(outcome))
        result["speed_up"] = _speed_up(comparison.outcomes[0], results[0], outcome, result)
    return {
        "parameters": parameters,
        "results": results,
        "left_out": [
            {"scheme": name, "reason": reason} for name, reason in comparison.left_out.items()
        ],
        "confidence": CONFIDENCE,
        "training_time": comparison.training_time,
        "drained_messages": comparison.ending.drained,
        **job,
        "out": str(out),
    }


def _measured(outcome: Outcome) -> list[float]:
    return [record.completion_time for record in outcome.log]


def _speed_up(
    base: Outcome, base_result: dict[str, Any], outcome: Outcome, result: dict[str, Any]
) -> dict[str, Any]:
    """How many times as fast as the base, by means over all iterations."""
    ideals = [each["ideal_completion_time"] for each in (base_result, result)]
    return {
        "over": base_result["scheme"],
        "measured": ratio(
            base_result["completion_time"]["mean"], result["completion_time"]["mean"]
        ),
        "interval": ratio_interval(_measured(base), _measured(outcome)),
        "ideal": ratio(*(each and each["mean"] for each in ideals)),
        "expected": ratio(*(each["expected_completion_time"] for each in (base_result, result))),
    }


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Return their ratio where both are known and it exists."""
    return numerator / denominator if numerator is not None and denominator else None
