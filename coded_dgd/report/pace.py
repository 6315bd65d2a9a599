"""This module measures the pace of each worker from its arrivals and finds slow workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coded_dgd.engine.protocol import Floats
from coded_dgd.runs.recorded import RecordedRun, StageArrivals

THRESHOLD = 3.5
"""Modified z-score above which a worker is an outlier (Iglewicz and Hoaglin, 1993)."""
FACTOR = 1.25
"""Minimum ratio of an outlier's seconds per task to the median."""
STATISTIC = (
    f"0.6745 (log pace - median) / MAD > {THRESHOLD:g}, and {FACTOR:g} times the median or more"
)


@dataclass(frozen=True)
class Pace:
    """A pace says how fast one worker was."""

    rank: int
    seconds: float
    """Seconds of work per finished task, cancelled work included; inf if no task was finished."""
    silent: float
    """Fraction of the iterations in which no message of the worker arrived in time."""
    score: float
    """Modified z-score of the logarithm of `seconds` among the workers."""
    slow: bool
    """Whether the worker is an outlier."""


def latest_paces(run: RecordedRun) -> list[Pace]:
    """Measure every worker of the latest stage of a run; without recorded arrivals, return []."""
    if not run.stages:
        return []
    stage = run.stages[-1]
    last = stage.first + len(stage.arrival)
    return paces(stage, run.column("completion_time")[stage.first : last])


def paces(stage: StageArrivals, completion: Floats) -> list[Pace]:
    """Measure every worker of a stage.

    A worker is at work until its last message arrives or, failing that, until the gradient is
    decodable. Cancelled work counts as time but finishes no task. The pace therefore says how
    little
    a worker has contributed; a task of a worker that is nearly always cancelled may take less time.

    Parameters
    ----------
    completion : (iterations,) array
        Completion time of each iteration of the stage, in seconds.
    """
    known = np.isfinite(stage.arrival)
    done = np.where(known, stage.tasks_done, 0).max(axis=2, initial=0)
    last = np.where(known, stage.arrival, 0.0).max(axis=2, initial=0)
    held = stage.tasks_done.max(axis=1, initial=0)
    at_work = np.where(done == held, last, np.maximum(last, completion[:, None]))
    in_time = np.any(known & (stage.arrival <= completion[:, None, None]), axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        seconds = at_work.sum(axis=0) / done.sum(axis=0)
    works = held > 0
    score = np.zeros(len(held))
    score[works] = modified_z(seconds[works])
    median = np.median(seconds[works]) if works.any() else np.inf
    return [
        Pace(
            rank=int(stage.ranks[worker]),
            seconds=float(seconds[worker]),
            silent=float(1 - np.mean(in_time[:, worker])),
            score=float(score[worker]),
            slow=bool(score[worker] > THRESHOLD and seconds[worker] >= FACTOR * median),
        )
        for worker in np.flatnonzero(works)
    ]


def modified_z(seconds: Floats) -> Floats:
    """Return the modified z-scores 0.6745 (x - median) / MAD of x = log(seconds); inf stays inf.

    If more than half of the workers agree exactly (MAD 0), the score of any deviation is infinite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log(seconds)
        median = np.median(x)
        distance = x - median
        mad = np.median(np.abs(distance))
        scores = 0.6745 * distance / mad
    scores[distance == 0] = 0.0
    scores[np.isnan(scores)] = 0.0
    return np.where(np.isposinf(x) & np.isfinite(median), np.inf, scores)


def outliers(found: Sequence[Pace]) -> list[Pace]:
    """Return the workers that are slow throughout, slowest first."""
    return sorted((pace for pace in found if pace.slow), key=lambda pace: -pace.seconds)
