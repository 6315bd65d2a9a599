"""This module defines the summary of a run, which ``run --json`` and ``summary.json`` hold."""

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
    """A distribution summarises the times of iterations, in seconds."""

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
    """A spread is the median and the maximum of a figure."""

    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return median and maximum of one or more values."""
        return cls(float(np.median(values)), float(np.max(values)))


@dataclass(frozen=True)
class PredictedMemory:
    """Predicted memory is the peak in bytes of rank 0 and of the worker that needs most."""

    worker: float
    master: float


@dataclass(frozen=True)
class MeasuredMemory:
    """Measured memory is the peak of the processes in bytes; None means that it is not known."""

    worker: int | None
    """Peak memory of the worker that used most."""
    workers: int | None
    """Sum of the peak memory over all workers."""
    master: int | None


@dataclass(frozen=True)
class Memory:
    """Memory is the peak in bytes, as predicted before the run and as measured."""

    predicted: PredictedMemory | None
    measured: MeasuredMemory


@dataclass(frozen=True)
class LostWorker:
    """A lost worker has a rank, a host, and an iteration and cause of its loss."""

    rank: int
    host: str | None
    iteration: int
    cause: str | None


@dataclass(frozen=True)
class RefusedMessages:
    """Refused messages of a rank were not used because a check of them failed."""

    rank: int
    reason: str
    messages: int


@dataclass(frozen=True)
class Combining:
    """Combining is what workers send in a dynamic scheme, and why."""

    sums: bool
    """Whether each worker sends one sum of results per iteration, instead of one result per task.
    """
    payload_bytes: int
    reason: str


@dataclass(frozen=True)
class PlannedTime:
    """A planned time is given in seconds per iteration, with everything that an iteration takes."""

    predicted: float
    standard_error: float
    measured: float


@dataclass(frozen=True)
class PlannedLoad:
    """A planned load is given in messages per iteration."""

    predicted: float
    measured: float


@dataclass(frozen=True)
class PlannedRatio:
    """A planned ratio is the time of a scheme over that of `uncoded`."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Planned:
    """The predictions of the plan that chose the scheme stand here beside the measured values."""

    iteration_time: PlannedTime
    communication_load: PlannedLoad
    verdict: str | None = None
    """What pays on the cluster, and why, in words."""
    over_uncoded: PlannedRatio | None = None
    """Time of the chosen scheme over that of `uncoded`; of the fastest other one if `uncoded` was
    chosen."""


@dataclass(frozen=True)
class Validated:
    """Figures on held-out rows of the model that the run has handed back."""

    rows: int
    figures: dict[str, float]
    iteration: int
    """Iteration after which the model was the one with the lowest loss."""
    time: float
    """Seconds that all evaluations between iterations took."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A summary describes a run and its costs; times are in seconds and memory is in bytes.

    Fields are in the order of the JSON object. Fields with a default are not known while the run
    continues, or were not recorded by older versions.
    """

    scheme: str
    workers: int
    blocks: int
    load: int
    iterations: int
    epochs: float | None = None
    """Number of passes over the data; a mini-batch is a part of one."""
    status: str
    """``done`` after all iterations, ``converged`` by ``--stop-at``, or why the run ended early."""
    stop_reason: str | None = None
    converged: bool | None = None
    gradient_norm_ratio: float | None = None
    final_gradient_norm_ratio: float | None = None
    """Ratio of the exact gradient norm at the model returned to the first recorded one."""
    transport: str
    completion_time: Distribution
    ideal_completion_time: Distribution | None
    expected_completion_time: float | None
    expected_standard_error: float | None = None
    expected_method: str | None = None
    communication_load: float
    extra_messages: float | None = None
    wasted_messages: int
    combining: Combining | None = None
    """What workers send in a dynamic scheme; None for other schemes."""
    words: float | None = None
    """Mean number of words to workers per iteration; None if tasks are fixed in advance."""
    task_results: float | None = None
    """Mean number of results per iteration, copies included; None if tasks are fixed."""
    own_tasks: list[int] | None = None
    """Tasks with which each worker begins an iteration, at the end; None if they are fixed."""
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
    """Further figures of the objective, such as accuracy; each is a key of the JSON object."""
    validation: Validated | None = None
    """Figures on held-out rows; None without ``--validation``."""
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
    """Time spent after `wall_time` was measured: ideal, verdict, optimum, prediction."""
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
        """Return the JSON object as plain values."""
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
            If `values` is something else.
        """
        found = dict(values) if isinstance(values, dict) else {}
        if missing := ALWAYS - found.keys() or found["wall_time"] is None:
            raise ValueError(f"this is no summary of a finished run ({missing})")
        known = {each.name for each in fields(cls)}
        others = {name: value for name, value in found.items() if name not in known}
        scores = {name: value for name, value in others.items() if fits(value, (Real,))}
        return read(cls, {**found, "scores": scores})


ALWAYS = {"losses", "environment", "wall_time"}
"""Keys that every finished run has recorded, in addition to those without a default."""
