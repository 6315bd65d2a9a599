"""This module finds the delay model of measured task times, and the laws that are near to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
from scipy import stats

from coded_dgd import delays
from coded_dgd.config import RunConfig
from coded_dgd.delays.base import SHARE, DelayModel
from coded_dgd.planner.laws import NOISE, AdditiveLaw, ParetoLaw, ShiftedLaw
from coded_dgd.planner.measured import Measured
from coded_dgd.planner.observations import Bools, Lines, ObservedTimes, TaskTimes

CORRELATED = 0.3
"""Correlation of two tasks of a worker from which on they share a duration. Measuring on a busy
machine lowers the correlation."""
SLOWER = 1.5
"""A worker is persistently slow from this multiple of the median on."""
SIGNIFICANT = 1e-4
"""p-value below which a worker counts as persistently slow."""
OVERHEAD, SURE = 0.05, 4.0
"""Part of the first task, and standard errors, from which on an overhead is significant."""
TOGETHER = 0.1
"""Duration of a task, relative to the median, below which two messages were received together."""


@dataclass(frozen=True)
class Fit:
    """This is a delay model of measured task times, or a law that is near to them."""

    name: str
    """Name of the delay model, or ``measured``."""
    parameters: dict[str, float | str]
    """Parameters of the law."""
    distance: float
    """Largest distance between the distribution functions (Kolmogorov and Smirnov), within 2 % of
    the durations."""
    per: str | None = None
    """Unit in which the delay model counts the work of blocks; None if schemes decide."""
    measured: Measured | None = field(default=None, repr=False)
    """Measured durations, if they are the model themselves."""
    near: str = ""
    """Text of the law that is nearest to the measured durations."""

    @property
    def text(self) -> str:
        """Text of the law, as ``--delay`` takes it; of what was measured, a description."""
        if self.measured is not None:
            return f"{self.name}, nearest law {self.near}"
        values = ",".join(
            f"{key}={value if isinstance(value, str) else format(value, '.6g')}"
            for key, value in self.parameters.items()
        )
        return f"{self.name}:{values}" + (f",per={self.per}" if self.per else "")

    def model(self, seed: int) -> DelayModel:
        """Return the delay model."""
        if self.measured is not None:
            return self.measured.model()
        return delays.create(self.text, seed)

    def redrawn(self, rng: np.random.Generator) -> Fit:
        """Return the fit of an equally likely measurement, of the same laws."""
        return replace(self, measured=self.measured and self.measured.redrawn(rng))


def unit_of_work(config: RunConfig, workers: int, injected: bool) -> str | None:
    """Return the unit in which fitted delay models count the work of blocks.

    Injected delays have their own unit. Real computations take times in proportion to the rows of
    the blocks, so that they count by shares where there are more or fewer blocks than workers.

    Returns
    -------
    str or None
        ``task`` or ``share``; None if schemes decide.
    """
    if injected:
        return delays.per_of(config.delay)
    return SHARE if config.blocks not in (None, workers) else None


def fit(
    times: TaskTimes, alike: bool = False, per: str | None = None, size: float = 1.0
) -> list[Fit]:
    """Return the measured distribution, which predictions use, and the laws near to it.

    Parameters
    ----------
    times : TaskTimes
        Measured times.
    alike : bool
        Whether all workers take the same time in each iteration, so that tasks share it.
    per : str, optional
        Unit in which the delay models count the work of blocks; by default schemes decide.
    size : float
        Work of a measured task in that unit.

    Returns
    -------
    list of Fit
        The measured distribution, then the laws, the nearest first.

    Raises
    ------
    ValueError
        If no task was seen to end.
    """
    times = times.scaled(1 / size)
    sample = times.shared()
    if not sample.ends:
        raise ValueError("no task was seen to end")
    single = None if alike else times.independent()
    tasks: dict[str, float | str] = {}
    if not alike and has_overhead(times.lines()):
        measured = Measured.of(times, True, per)
        law = AdditiveLaw.fit(measured.overhead, measured.seconds)
        distance = law.distance(measured.overhead, measured.seconds)
        found = [Fit(law.name, {**law.parameters}, distance, per)]
    else:
        if single is not None and _independent(single, sample):
            measured = Measured.independent(single, per)
            sample, tasks = single.of(single.limit > 0), {"tasks": "independent"}
        else:
            measured = Measured.of(times, False, per)
        found = [
            Fit(law.name, {**law.parameters, **tasks}, law.distance(sample), per)
            for law in (ShiftedLaw.fit(sample), ParetoLaw.fit(sample))
        ]
    found.sort(key=lambda each: each.distance)
    return [Fit("measured", {}, 0.0, per, measured, found[0].text), *found]


def has_overhead(lines: Lines) -> bool:
    """Return whether tasks begin after an overhead that is more than errors of the measurement.

    The overhead of a worker in an iteration counts relative to the first message, or to its tasks
    without the overhead if that is longer. So it is symmetrical if tasks are independent. Messages
    that were received together say nothing of it, unless all are.
    """
    tasks = lines.slope * lines.tasks
    overhead = lines.first.seconds - tasks
    use = lines.both
    if not use.any():
        return False
    use = use & (lines.slope >= TOGETHER * np.median(lines.slope[use]))
    part = np.where(use, overhead, 0.0) / np.maximum(np.maximum(overhead + tasks, tasks), 1e-300)
    count = use.sum(axis=1)
    means = part.sum(axis=1)[count > 0] / count[count > 0]
    if len(means) < 2:
        means = part[use]
    mean = float(means.mean())
    error = float(means.std(ddof=1)) / sqrt(len(means)) if len(means) > 1 else 0.0
    return mean > OVERHEAD and mean > SURE * error


def slow_workers(times: ObservedTimes) -> Bools:
    """Mark the persistently slow workers, of shape (M,), by rank sums against the others."""
    workers = times.seconds.shape[1]
    medians = np.median(times.seconds, axis=0)
    slow = medians > SLOWER * np.median(medians)
    if workers < 3 or 2 * np.count_nonzero(slow) >= workers:
        return np.zeros(workers, dtype=np.bool_)
    others = times.seconds[:, ~slow].ravel()
    for worker in np.flatnonzero(slow):
        test = stats.mannwhitneyu(times.seconds[:, worker], others, alternative="greater")
        slow[worker] = test.pvalue < SIGNIFICANT / workers
    return slow


def _independent(single: ObservedTimes, shared: ObservedTimes) -> bool:
    """Return whether the tasks of a worker have different, uncorrelated durations."""
    if single.seconds.shape[2] < 2:
        return False
    both = single.known[..., 0] & single.known[..., 1]
    # a persistently slow worker is no sign of shared durations
    typical = np.median(shared.seconds, axis=0)[:, None]
    x = (single.seconds / typical)[both][:, :2]
    if len(x) < 10 or x.std() < 5 * NOISE * x.mean():
        return False
    ranks = float(stats.spearmanr(x[:, 0], x[:, 1]).statistic)  # robust to outliers
    logarithms = float(np.corrcoef(np.log(x).T)[0, 1])  # sensitive to two states
    return max(ranks, logarithms) < CORRELATED
