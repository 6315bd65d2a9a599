"""Measurements of a cluster are plain numbers: with the options, a plan depends on them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from coded_dgd.planner.observations import Floats, TaskTimes


@dataclass(frozen=True)
class Network:
    """This class describes messages between master and workers. Times are in seconds."""

    lengths: tuple[int, ...] = (1,)
    """Message lengths, in numbers, at which `latency` and `service` were measured; increasing."""
    latency: tuple[float, ...] = (0.0,)
    """Time from a point's departure to the arrival of an idle worker's answer."""
    service: tuple[float, ...] = (0.0,)
    """Time for which the master's port is busy with a message."""
    set_up: float = 0.0
    """Time for sending all assignments without data."""
    distribution: float = 0.0
    """Time for handing out data, per byte that workers hold."""
    overhead: float = 0.0
    """Time from the last message of an iteration to the next point, without decoding."""
    gathering: tuple[float, ...] = ()
    """Time from a point's departure to all idle workers until each has answered once."""

    def latency_of(self, length: float) -> float:
        """Return the latency of messages of `length` numbers."""
        return self._at(length, self.latency)

    def service_of(self, length: float) -> float:
        """Return the service time of messages of `length` numbers."""
        return self._at(length, self.service)

    def gathering_of(self, length: float) -> float:
        """Return the gathering time for `length` numbers; if unknown, the latency."""
        return self._at(length, self.gathering or self.latency)

    def crowded(self, workers: int) -> Network:
        """Return this network with the latency of `workers` workers that all answer last."""
        if not self.gathering:
            return self
        pairs = zip(self.gathering, self.service, strict=True)
        latency = tuple(max(last - (workers - 1) * port, port) for last, port in pairs)
        return replace(self, latency=latency)

    def _at(self, length: float, seconds: tuple[float, ...]) -> float:
        if len(seconds) < 2 or length <= self.lengths[-1]:
            return float(np.interp(length, self.lengths, seconds))
        slope = (seconds[-1] - seconds[-2]) / (self.lengths[-1] - self.lengths[-2])
        return seconds[-1] + max(slope, 0.0) * (length - self.lengths[-1])


@dataclass(frozen=True)
class Speed:
    """This is the speed of rank 0 in seconds per floating-point operation."""

    products: float
    """Seconds per operation for a few rows times a matrix, as in decoding."""
    encoding: float
    """Seconds per operation for a product of matrices, as in encoding."""


@dataclass(frozen=True)
class Measurements:
    """This class holds measured times of tasks and messages, and their conditions."""

    times: TaskTimes
    """Finish times of tasks."""
    compute: float
    """Computing time of a task in seconds; the rest of its duration is delay."""
    network: Network
    speed: Speed
    hosts: tuple[str, ...] = ()
    """Host of each worker, if known."""
    cores: tuple[int, ...] = ()
    """Number of cores available to each worker, if known."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; missing times are null."""
        times = self.times
        return {
            "finish": _nulls(times.finish),
            "done": times.done.tolist(),
            "until": _nulls(times.until),
            "size": times.size,
            "compute": self.compute,
            "network": asdict(self.network),
            "speed": asdict(self.speed),
            "hosts": list(self.hosts),
            "cores": list(self.cores),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measurements:
        """Read what `to_json` has written."""
        network: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values["network"].items()
        }
        until = np.array(values["until"], dtype=np.float64)
        return cls(
            TaskTimes(
                np.array(values["finish"], dtype=np.float64),
                np.array(values["done"], dtype=np.int64),
                np.where(np.isnan(until), np.inf, until),
                values.get("size", 1.0),
            ),
            values["compute"],
            Network(**network),
            Speed(**values["speed"]),
            tuple(values["hosts"]),
            tuple(values.get("cores", ())),
        )


def _nulls(values: Floats) -> Any:
    """Return nested lists with null in place of numbers that are not finite."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def measure_speed() -> Speed:
    """Measure the speed of matrix products like those of decoding and encoding."""
    rng = np.random.default_rng(0)
    tall: Floats = rng.standard_normal((64, 4096))
    row, few = rng.standard_normal(64), rng.standard_normal((16, 64))
    return Speed(
        products=_fastest(lambda: row @ tall) / (2 * tall.size),
        encoding=_fastest(lambda: few @ tall) / (2 * tall.size * len(few)),
    )


def _fastest(call: Any) -> float:
    """Return the seconds of the fastest of several calls."""
    best = np.inf
    for _ in range(7):
        begin = perf_counter()
        call()
        best = min(best, perf_counter() - begin)
    return float(best)
