"""This module describes the state of a run in one line, for the terminal and for ``watch``."""

from __future__ import annotations

from collections import deque

import numpy as np

from coded_dgd.engine.iteration import Iteration

RECENT = 100
"""Number of latest iterations over which completion times are summarised."""


class Status:
    """A status sums up the records of a run as they come.

    Parameters
    ----------
    planned : float, optional
        Mean completion time in seconds, as predicted by the plan that chose the scheme.
    """

    def __init__(self, planned: float | None = None) -> None:
        self._planned = planned
        self.epoch = 1.0
        """Fraction of the rows that take part in an iteration."""
        self._most = 0  # maximum number of live workers
        self._held_out: float | None = None
        """Latest loss on held-out rows."""
        self._times: deque[float] = deque(maxlen=RECENT)
        self.record: Iteration | None = None
        """Latest record, or None before the first."""

    def add(self, record: Iteration) -> None:
        """Add the record of an iteration."""
        self.record = record
        if record.validation is not None:
            self._held_out = record.validation["loss"]
        self._times.append(record.completion_time)
        self._most = max(self._most, record.workers_live)

    def __str__(self) -> str:
        record = self.record
        if record is None:
            return ""
        if record.loss is None:
            value = f"gradient norm {record.gradient_norm:.6g}"
        else:
            value = f"loss {record.loss:.6g}"
        if self.epoch < 1:
            value = f"epoch {(record.iteration + 1) * self.epoch:.1f}, {value}"
        if self._held_out is not None:
            value += f", held-out loss {self._held_out:.6g}"
        found = [value, f"p50 {np.median(self._times):.4f} s"]
        if self._planned is not None:
            found += [f"mean {np.mean(self._times):.4f} s (planned {self._planned:.4f})"]
        found += [f"{record.workers_live} live"]
        slow = record.workers_live - record.workers_heard
        lost = self._most - record.workers_live
        found += [f"{slow} slow"] if slow > 0 else []
        found += [f"{lost} lost"] if lost > 0 else []
        return ", ".join(found)


def duration(seconds: float) -> str:
    """Return a duration in a readable form: ``12 s``, ``3:05 min``, ``2:07 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
