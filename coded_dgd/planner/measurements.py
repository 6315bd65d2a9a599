"""What has been measured of a cluster, as plain numbers: all that a plan depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from coded_dgd.planner.observations import Floats, TaskTimes


@dataclass(frozen=True)
class Network:
    """Messages between master and workers. Times in seconds."""

    lengths: tuple[int, ...] = (1,)
    """Numbers in a message for which the next two were measured, increasing."""
    latency: tuple[float, ...] = (0.0,)
    """A point leaves -> the answer of an idle worker is here."""
    service: tuple[float, ...] = (0.0,)
    """How long the master's port is busy with a message."""
    set_up: float = 0.0
    """Handing out plans."""
    distribution: float = 0.0
    """Handing out data, per byte that workers hold."""
    overhead: float = 0.0
    """Between the last message of an iteration and the next point, decoding aside."""
    gathering: tuple[float, ...] = ()
    """A point leaves to all idle workers -> each has answered, once."""

    def latency_of(self, length: float) -> float:
        """For messages of that many numbers."""
        return self._at(length, self.latency)

    def service_of(self, length: float) -> float:
        """For messages of that many numbers."""
        return self._at(length, self.service)

    def gathering_of(self, length: float) -> float:
        """For messages of that many numbers; where it is not known, as if one answered."""
        return self._at(length, self.gathering or self.latency)

    def crowded(self, workers: int) -> Network:
        """Return the same where so many workers take a point at once, each as late as the last."""
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
    """Of rank 0: seconds per floating-point operation."""

    products: float
    """Of a few rows with a matrix, as in decoding."""
    encoding: float
    """Of matrices."""


@dataclass(frozen=True)
class Measurements:
    """Times of tasks and messages, and what they were measured with."""

    times: TaskTimes
    compute: float
    """Seconds that a task computes; the rest of its time is somebody else's delay."""
    network: Network
    speed: Speed
    hosts: tuple[str, ...] = ()
    """Of the workers, where that is known."""
    cores: tuple[int, ...] = ()
    """That each of them may use, where that is known."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what was not seen is null."""
        times = self.times
        return {
            "finish": _nulls(times.finish),
            "done": times.done.tolist(),
            "until": _nulls(times.until),
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
            ),
            values["compute"],
            Network(**network),
            Speed(**values["speed"]),
            tuple(values["hosts"]),
            tuple(values.get("cores", ())),
        )


def _nulls(values: Floats) -> Any:
    """Return nested lists, null where a number is not finite."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def measure_speed() -> Speed:
    """Time products of matrices like those of decoding and encoding."""
    rng = np.random.default_rng(0)
    tall: Floats = rng.standard_normal((64, 4096))
    row, few = rng.standard_normal(64), rng.standard_normal((16, 64))
    return Speed(
        products=_fastest(lambda: row @ tall) / (2 * tall.size),
        encoding=_fastest(lambda: few @ tall) / (2 * tall.size * len(few)),
    )


def _fastest(call: Any) -> float:
    """Seconds of the fastest of some calls."""
    best = np.inf
    for _ in range(7):
        begin = perf_counter()
        call()
        best = min(best, perf_counter() - begin)
    return float(best)
