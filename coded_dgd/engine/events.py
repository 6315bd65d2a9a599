"""What a rank does from when on: taken down only where a timeline is wanted."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from coded_dgd.engine.protocol import Floats

WORKER_EVENTS = 1 << 15
MASTER_EVENTS = 1 << 19
"""Marks that a rank keeps, the newest: 1.6 MB on a worker and 25 MB on the master at most."""


class Activity(IntEnum):
    """What a rank turns to; from `USED` on, what happens at one instant on the master."""

    IDLE = 0
    COMPUTE = 1
    DELAY = 2
    """Waiting out what is left of an injected delay."""
    SEND = 3
    BROADCAST = 4
    WAIT = 5
    WEIGHTS = 6
    DECODE = 7
    UPDATE = 8
    CHECK = 9
    """The exact gradient, with ``--check-gradient``."""
    USED = 10
    """A message has arrived, and counts."""
    WASTED = 11
    """A message has arrived that is not needed any more."""
    DECODABLE = 12
    LOST = 13
    """A worker is known to be lost."""


class TimelineEvent(NamedTuple):
    """From `time` on this rank does `activity`; -1 where a number does not apply."""

    time: float
    activity: Activity
    code_id: int
    iteration: int
    message: int
    peer: int


class EventRecorder:
    """The newest marks of a rank.

    Parameters
    ----------
    clock : callable
        Seconds; real or virtual.
    limit : int
        How many to keep.
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
        """Take down that `activity` begins, now or at another instant."""
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
        """End what is going on and return the marks, oldest first, as rows of `TimelineEvent`."""
        self.add(Activity.IDLE)
        excess = self._count - len(self._rows)
        return self._rows[: self._count] if excess <= 0 else np.roll(self._rows, -excess, axis=0)


def no_event(*_: object, **__: object) -> None:
    """Stands for `EventRecorder.add` where no timeline is wanted."""


class RankEvents(NamedTuple):
    """The marks of a worker process that has stopped."""

    host: str
    rows: Floats
