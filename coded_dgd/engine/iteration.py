"""The records of a run: what happened in each iteration, and which workers were missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Iteration:
    """The record of one iteration. Times are in seconds."""

    iteration: int
    completion_time: float = 0.0
    """Time from sending beta_t until the message that makes the gradient decodable arrives."""
    messages_used: int = 0
    """Number of payloads up to and including that one: the communication load."""
    extra_messages: int = 0
    """Number of these messages that only the guard required."""
    wasted_messages: int = 0
    """Number of unused messages: of earlier iterations, or after the gradient was decodable."""
    error_amplification: float = 0.0
    weights_time: float = 0.0
    decode_time: float = 0.0
    update_time: float = 0.0
    compute_time: float = 0.0
    """Longest time that a worker computed for one of the messages used."""
    overrun: float = 0.0
    """Longest time by which real computing exceeded an injected delay."""
    gradient_norm: float = 0.0
    loss: float | None = None
    """Loss at beta_t, if the scheme is exact and the objective quadratic; else None."""
    gradient_error: float | None = None
    check_time: float = 0.0
    validation: dict[str, float] | None = None
    """Figures on held-out rows of the model after the iteration; None if they were not due."""
    validation_time: float = 0.0
    results: int = 0
    """Number of results of a dynamic scheme, copies included, until it was decodable."""
    words: int = 0
    """Number of words that told workers of a dynamic scheme about tasks."""
    workers_heard: int = 0
    """Number of workers of which a message was used."""
    workers_live: int = 0
    """Number of workers of the scheme that are not lost."""


def first_norm(log: Iterable[Iteration]) -> float:
    """Return the norm of the first nonzero gradient, or 0 if there is none.

    A zero gradient of an approximate scheme means that no message came in time.
    """
    for record in log:
        if record.gradient_norm:
            return record.gradient_norm
    return 0.0


@dataclass
class Absence:
    """A worker that was missing for some iterations."""

    worker: int
    since: int
    """Iteration in which it was lost."""
    elapsed: float
    """Seconds between sending that iteration's beta_t and the loss."""
    until: int | None = None
    """First iteration in which another worker replaces it; None while it is missing."""

    def at(self, iteration: int) -> float | None:
        """Return the seconds after which the worker was missing; None if it was present."""
        if iteration < self.since or (self.until is not None and iteration >= self.until):
            return None
        return self.elapsed if iteration == self.since else 0.0
