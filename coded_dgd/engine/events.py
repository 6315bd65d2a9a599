"""The timeline events of a rank, recorded only if a timeline is requested."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from coded_dgd.engine.protocol import Floats

WORKER_EVENTS = 1 << 15
MASTER_EVENTS = 1 << 19
"""Number of newest events that the master keeps: at most 25 MB, and 1.6 MB on a worker."""


class Activity(IntEnum):
    """The activity of a rank; from `USED` on, an event without duration on the master."""

    IDLE = 0
    COMPUTE = 1
    DELAY = 2
    """Waiting for the rest of an injected delay."""
    SEND = 3
    BROADCAST = 4
    WAIT = 5
    WEIGHTS = 6
    DECODE = 7
    UPDATE = 8
    CHECK = 9
    """Computing the exact gradient, with ``--check-gradient``."""
    USED = 10
    """A message has arrived and is used."""
    WASTED = 11
    """A message has arrived that is no longer needed."""
    DECODABLE = 12
    LOST = 13
    """A worker is found to be lost."""


class TimelineEvent(NamedTuple):
    """The rank does `activity` from `time` on. A number that does not apply is -1."""

    time: float
    activity: Activity
    code_id: int
    iteration: int
    message: int
    peer: int


class EventRecorder:
    """Records the newest events of a rank.

    Parameters
    ----------
    clock : callable
        Returns the time in seconds, real or virtual.
    limit : int
        Number of events to keep.
    """

    def __init__(self, clock: Callable[[], float], limit: int = WORKER_EVENTS) -> None:
        self._clock = clock
        self._rows: Floats = np.empty((limit, len(TimelineEvent._fields)))
        self._count = 0

    def add(
        self,
        activity: Activity,
        code_id: int = -1,
        iteration: int = -1,
        message: int = -1,
        peer: int = -1,
        at: float | None = None,
    ) -> None:
        """Record that `activity` begins, now or at the instant `at`."""
        time = self._clock() if at is None else at
        self._rows[self._count % len(self._rows)] = (
            time,
            activity,
            code_id,
            iteration,
            message,
            peer,
        )
        self._count += 1

    def close(self) -> Floats:
        """End the current activity; return the events, oldest first, as rows of `TimelineEvent`."""
        self.add(Activity.IDLE)
        excess = self._count - len(self._rows)
        return self._rows[: self._count] if excess <= 0 else np.roll(self._rows, -excess, axis=0)


def no_event(*_: object, **__: object) -> None:
    """Do nothing, in place of `EventRecorder.add`, if no timeline is requested."""


class RankEvents(NamedTuple):
    """The events of a worker process that has stopped."""

    host: str
    rows: Floats
