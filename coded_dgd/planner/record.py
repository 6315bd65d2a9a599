"""This module records plans as plain values, with all inputs, and makes them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import inf, isfinite
from typing import Any

from coded_dgd.config import RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.planner.judging import Entry, Limits
from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.planning import Plan, make_plan
from coded_dgd.planner.verdict import PredictedRatio
from coded_dgd.problems.sources import open_source

VERSION = 1
FIGURES = {
    "iteration_time": "total",
    "completion_time": "completion",
    "ideal_completion_time": "ideal",
    "communication_time": "communication",
    "guard_time": "guard",
    "weights_time": "weights",
    "decode_time": "decode",
    "communication_load": "messages",
    "received_bytes": "bytes",
}
"""Figures of an iteration, by their names in JSON; values are names in `IterationCost`."""


def to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan and its inputs as plain values; times in seconds, memory in bytes."""
    return {
        "choice": describe(plan.choice),
        "verdict": plan.verdict.words,
        "over_uncoded": _ratio(plan.verdict.ratio),
        "target": plan.target,
        "iterations": plan.iterations,
        "optimizers": [each._asdict() for each in plan.outlooks],
        "delays": [{"delay": each.text, "distance": each.distance} for each in plan.fits],
        "candidates": [describe(entry) for entry in plan.entries],
        "inputs": {
            "version": VERSION,
            "workers": plan.workers,
            "config": asdict(plan.config) | {"guard": _finite(plan.config.guard)},
            "limits": {
                **asdict(plan.limits),
                "memory_per_worker": _finite(plan.limits.memory_per_worker),
            },
            "data_bytes": plan.data_bytes,
            "injected": plan.injected,
            "names": plan.names,
            "loads": plan.loads,
            "weights": {key: list(seconds) for key, seconds in plan.weights.items()},
            "measured": plan.measured.to_json(),
        },
    }


def describe(entry: Entry) -> dict[str, Any]:
    """Return the predictions for a candidate as plain values; missing ones are None."""
    found, once = entry.iteration, entry.once
    return {
        "scheme": entry.candidate.name,
        **{"load": None, **entry.candidate.options},
        "refusal": entry.refusal,
        "job_time": _finite(entry.job),
        "iterations": _finite(entry.iterations),
        "standard_error": _finite(entry.uncertainty),
        **{name: _finite(getattr(found, key, None)) for name, key in FIGURES.items()},
        "encoding_time": once and once.encoding,
        "distribution_time": once and once.distribution,
        "worker_memory": entry.worker_memory or None,
        "master_memory": entry.master_memory or None,
    }


def replay(values: Mapping[str, Any], **changed: Any) -> Plan:
    """Make a plan again from what `to_json` has recorded of it.

    Parameters
    ----------
    **changed
        Arguments of `make_plan` that replace those of the record.

    Raises
    ------
    UsageError
        If the values are no record of a plan, or one of another format.
    """
    try:
        inputs = values["inputs"]
        if inputs["version"] != VERSION:
            raise UsageError(
                f"this plan has format {inputs['version']}, and this version reads {VERSION}: "
                "plan anew"
            )
        config = RunConfig(**_infinite(inputs["config"], "guard"))
        limits = _infinite(inputs["limits"], "memory_per_worker")
        arguments: dict[str, Any] = {
            "config": config,
            "limits": Limits(**limits),
            "names": inputs["names"],
            "loads": inputs["loads"],
            "weights": inputs["weights"],
        } | changed
        measured = Measurements.from_json(inputs["measured"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"this is no plan that was recorded ({error!r}): plan anew") from None
    config = arguments.pop("config")
    return make_plan(
        measured,
        config,
        open_source(config.data, config.seed, config.reading),
        inputs["workers"],
        arguments.pop("limits"),
        data_bytes=inputs["data_bytes"],
        injected=inputs["injected"],
        **arguments,
    )


def _ratio(found: PredictedRatio | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {"value": _finite(found.value), "standard_error": _finite(found.error)}


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def _infinite(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the values with None replaced by infinity under one name."""
    return {**values, name: inf if values[name] is None else values[name]}
