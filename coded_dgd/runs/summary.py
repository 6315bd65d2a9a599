"""The summary of a run: what ``run --json`` prints and ``summary.json`` of the run folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.kinds import fits
from coded_dgd.runs.plain import read


@dataclass(frozen=True)
class Distribution:
    """How the times of iterations are distributed, in seconds."""

    mean: float
    std: float
    p50: float
    p95: float
    p99: float
    max: float | None = None

    @classmethod
    def of(cls, times: Sequence[float] | NDArray[np.float64]) -> Distribution:
        """Return mean, standard deviation, quantiles and maximum of (iterations,) times."""
        p50, p95, p99 = np.quantile(times, [0.5, 0.95, 0.99]).tolist()
        mean, std = float(np.mean(times)), float(np.std(times))
        return cls(mean, std, p50, p95, p99, float(np.max(times)))


@dataclass(frozen=True)
class Spread:
    """Median and maximum of a figure."""

    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return median and maximum of one or more values."""
        return cls(float(np.median(values)), float(np.max(values)))


@dataclass(frozen=True)
class PredictedMemory:
    """Bytes that the worker that takes most, and rank 0, were predicted to need at their peak."""

    worker: float
    master: float


@dataclass(frozen=True)
class MeasuredMemory:
    """Bytes that processes have taken at their peak; None where that is not known."""

    worker: int | None
    """The worker that took most."""
    workers: int | None
    """The sum over all workers."""
    master: int | None


@dataclass(frozen=True)
class Memory:
    """Peak memory in bytes, as predicted before the run and as measured."""

    predicted: PredictedMemory | None
    measured: MeasuredMemory


@dataclass(frozen=True)
class LostWorker:
    """A worker that was lost."""

    rank: int
    host: str | None
    iteration: int
    cause: str | None


@dataclass(frozen=True)
class RefusedMessages:
    """Messages of a rank that were not used because they make no sense."""

    rank: int
    reason: str
    messages: int


@dataclass(frozen=True)
class PlannedTime:
    """Seconds per iteration, with all else that an iteration takes."""

    predicted: float
    standard_error: float
    measured: float


@dataclass(frozen=True)
class PlannedLoad:
    """Messages per iteration."""

    predicted: float
    measured: float


@dataclass(frozen=True)
class Planned:
    """What the plan that chose the scheme predicted, beside what was measured."""

    iteration_time: PlannedTime
    communication_load: PlannedLoad


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run was and what it took: times in seconds, memory in bytes.

    Fields are in the order of the JSON object. Those with a default are not known while the run
    goes on, or were not recorded by older versions.
    """

    scheme: str
    workers: int
    blocks: int
    load: int
    iterations: int
    status: str
    """``done`` after all iterations, ``converged`` by ``--stop-at``, or why there are no more."""
    stop_reason: str | None = None
    converged: bool | None = None
    gradient_norm_ratio: float | None = None
    transport: str
    completion_time: Distribution
    ideal_completion_time: Distribution | None
    expected_completion_time: float | None
    expected_standard_error: float | None = None
    expected_method: str | None = None
    communication_load: float
    extra_messages: float | None = None
    wasted_messages: int
    compute_time: float | None = None
    weights_time: float
    decode_time: float
    update_time: float
    gradient_error: Spread | None = None
    error_amplification: Spread
    overrun: float | None = None
    straggler_probability: float | None = None
    loss: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    """Further figures of the objective, such as accuracy: in the JSON object each is a key."""
    classes: list[Any] | None = None
    distance_to_optimum: float | None = None
    step_size: float | None = None
    kernel: str | None = None
    dtype: str | None = None
    startup_time: float | None = None
    training_time: float | None = None
    check_time: float | None = None
    checkpoint_time: float | None = None
    resumed_at: int | None = None
    other_time: float | None = None
    shutdown_time: float | None = None
    wall_time: float | None = None
    closing_time: float | None = None
    """What was done after `wall_time` had been taken: ideal, verdict, optimum, prediction."""
    first_point_at: float | None = None
    memory: Memory | None = None
    worker_cpu: Spread | None = None
    warnings: list[str]
    workers_lost: list[int] | None = None
    losses: list[LostWorker] = field(default_factory=list)
    refused_messages: list[RefusedMessages] | None = None
    adaptations: list[dict[str, Any]] | None = None
    advice_time: float | None = None
    hosts: dict[str, list[int]]
    environment: dict[str, Any] = field(default_factory=dict)
    run_folder: str | None = None
    planned: Planned | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, as plain values."""
        found: dict[str, Any] = {}
        for name, value in asdict(self).items():
            found |= value if name == "scores" else {name: value}
        return found

    @classmethod
    def from_json(cls, values: Any) -> Summary:
        """Read what `to_json` of a finished run has returned, also in an older version.

        Raises
        ------
        ValueError
            If it is something else.
        """
        found = dict(values) if isinstance(values, dict) else {}
        if missing := ALWAYS - found.keys() or found["wall_time"] is None:
            raise ValueError(f"this is no summary of a finished run ({missing})")
        known = {each.name for each in fields(cls)}
        others = {name: value for name, value in found.items() if name not in known}
        scores = {name: value for name, value in others.items() if fits(value, (Real,))}
        return read(cls, {**found, "scores": scores})


ALWAYS = {"losses", "environment", "wall_time"}
"""Keys that every finished run has recorded, beside those without a default."""
