"""The records of a run: what happened in each iteration, and which workers were missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Iteration:
    """What happened in one iteration; times in seconds."""

    iteration: int
    completion_time: float = 0.0
    """beta_t leaves -> the message that made the gradient decodable is here."""
    messages_used: int = 0
    """Messages up to and including that one: the communication load."""
    extra_messages: int = 0
    """Those of them that the guard asked for."""
    wasted_messages: int = 0
    """Messages of earlier iterations, and of this one once it was decodable."""
    error_amplification: float = 0.0
    weights_time: float = 0.0
    decode_time: float = 0.0
    update_time: float = 0.0
    compute_time: float = 0.0
    """The longest that a worker computed for one of these messages."""
    overrun: float = 0.0
    """The longest that real computing went beyond an injected delay."""
    gradient_norm: float = 0.0
    loss: float | None = None
    """Loss at beta_t, where the scheme is exact and the objective quadratic: the gradient tells."""
    gradient_error: float | None = None
    check_time: float = 0.0
    workers_heard: int = 0
    """Workers of which a message was used."""
    workers_live: int = 0
    """Workers of the scheme that are not lost."""


@dataclass
class Absence:
    """A worker that was missing for some iterations."""

    worker: int
    since: int
    """Iteration in which it was lost."""
    elapsed: float
    """Seconds after that beta_t left."""
    until: int | None = None
    """First iteration in which another had its place."""

    def at(self, iteration: int) -> float | None:
        """Seconds after which nothing came from it in this iteration; None if it was there."""
        if iteration < self.since or (self.until is not None and iteration >= self.until):
            return None
        return self.elapsed if iteration == self.since else 0.0
