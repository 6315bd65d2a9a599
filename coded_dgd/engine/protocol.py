"""What travels between master and workers.

Three kinds of messages, over any transport:

plan    master to worker, once: what the worker holds and does (`Plan`), then its data in pieces
point   master to worker, per iteration: where to take the gradient; the newest overtakes
result  worker to master, after every message boundary: a float64 array, header and payload

A worker that stops, or fails, says so in a `Report`, the last thing it sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HEADER = 4
"""Floats before the payload of a result: iteration, message, compute seconds, overrun seconds."""

STOP, RELEASE = -1, -2
"""Iteration numbers of the points that end the work: stop and report; leave, all have reported."""


@dataclass(frozen=True)
class Plan:
    """All that a worker needs to know besides its data. Only plain values: it travels as JSON."""

    worker: int
    tasks: int
    """Blocks that the worker holds, one task each."""
    height: int
    """Rows of a block."""
    features: int
    labels: bool
    """Whether the data come with labels; coded data do not."""
    ends: tuple[int, ...]
    """Number of tasks done when each message leaves."""
    coefficients: tuple[float, ...] | None
    """Factor of each task's result in its message; None for all one."""
    unit: float
    """What a task is in tasks of the delay model."""
    product: bool
    """Whether a task is the product X beta instead of a gradient."""
    objective: str
    delay: str
    seed: int

    @property
    def payload(self) -> int:
        """Length of the payload of a result."""
        return self.height if self.product else self.features


class Point(NamedTuple):
    """Where to take the gradient in this iteration."""

    iteration: int
    beta: Floats


class Result(NamedTuple):
    """A message of a worker, as the master sees it at `time`.

    `payload` is only valid until the next result is asked for.
    """

    worker: int
    time: float
    iteration: int
    message: int
    compute_seconds: float
    overrun: float
    payload: Floats


class Report(NamedTuple):
    """The last word of a worker: a failure, or what it did until it was stopped."""

    worker: int
    host: str
    results: int
    """Results sent in all, so that the master knows when it has drained them."""
    cpu_seconds: float
    seconds: float
    """Processor and elapsed time since the first point arrived."""
    iteration: int
    failure: str | None = None
    """Cause, in one line, where the worker failed."""
    traceback: str | None = None


def result_buffer(length: int) -> tuple[Floats, Floats]:
    """Return a new message and its payload, which is a view of it and starts at zero."""
    message = np.zeros(HEADER + length)
    return message, message[HEADER:]


def read_result(worker: int, time: float, message: Floats) -> Result:
    """Take a message apart."""
    iteration, index, compute_seconds, overrun = message[:HEADER].tolist()
    return Result(
        worker, time, int(iteration), int(index), compute_seconds, overrun, message[HEADER:]
    )


def describe_failure(report: Report) -> str:
    """One line that names rank, host, iteration and cause."""
    return (
        f"rank {report.worker + 1} on {report.host} failed in iteration {report.iteration}: "
        f"{report.failure}"
    )
