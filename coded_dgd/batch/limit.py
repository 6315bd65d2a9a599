"""This module reads time limits of jobs."""

from __future__ import annotations

import re

from coded_dgd.errors import UsageError

WARNING = 120
"""Time in seconds, before the time limit, at which a run is asked to stop."""


def seconds(limit: str) -> int:
    """Return a time limit in seconds.

    Raises
    ------
    UsageError
        If the limit is not HOURS:MM:SS, or is too short for a run to stop in time.
    """
    if not re.fullmatch(r"\d+:[0-5]\d:[0-5]\d", limit):
        raise UsageError(f"--time {limit}: give it as HOURS:MM:SS, such as 1:00:00")
    hours, minutes, rest = map(int, limit.split(":"))
    total = 3600 * hours + 60 * minutes + rest
    if total <= 2 * WARNING:
        raise UsageError(
            f"--time {limit}: a run is asked to stop {WARNING} s before: give more than "
            f"{2 * WARNING // 60} minutes"
        )
    return total
