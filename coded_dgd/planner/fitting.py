"""This module fits delay models to measured task times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf, log, sqrt

import numpy as np
from scipy import special, stats

from coded_dgd import delays
from coded_dgd.config import RunConfig
from coded_dgd.delays._recorded import Recorded
from coded_dgd.delays.base import SHARE, DelayModel
from coded_dgd.delays.bernoulli import Bernoulli
from coded_dgd.planner.laws import NOISE, ParetoLaw, Shifted
from coded_dgd.planner.observations import Bools, Floats, ObservedTimes, TaskTimes
from coded_dgd.planner.states import two_states

TOGETHER = 0.3
"""Time from first to last task, relative to the first, below which all tasks end together."""
CORRELATED = 0.3
"""Correlation of two tasks of a worker from which on they share a duration. Measuring on a busy
machine lowers the correlation."""
SLOWER = 1.5
"""A worker is persistently slow from this multiple of the median on."""
SIGNIFICANT = 1e-4
"""p-value below which a worker counts as persistently slow."""
FITS = 0.15
"""Distance between the distributions up to which a law is used in large samples. No law includes
the errors of the measurement."""

Survival = Callable[[int, Floats], Floats]
"""Type of a function that returns P(duration > x), given a worker and x."""


@dataclass(frozen=True)
class Fit:
    """This is a fitted delay model. Times are in seconds."""

    name: str
    """Name of the delay model, or ``empirical``."""
    parameters: dict[str, float | str]
    """Parameters of the delay model."""
    errors: dict[str, float]
    """Standard errors of the parameters that have one."""
    criterion: float
    """Schwarz's criterion (BIC); the lowest value is the best."""
    distance: float = 0.0
    """Largest distance between the distribution functions (Kolmogorov and Smirnov), within 2 % of
    the durations."""
    p_value: float = 1.0
    """p-value of `distance`, as if the parameters had been known."""
    per: str | None = None
    """Unit in which the delay model counts the work of blocks; None if schemes decide."""
    durations: Floats | None = field(default=None, repr=False)
    """Measured durations, if they are the model themselves."""

    @property
    def text(self) -> str:
        """Text of the delay model, as ``--delay`` takes it."""
        if self.durations is not None:
            return "empirical"
        values = ",".join(
            f"{key}={value if isinstance(value, str) else format(value, '.6g')}"
            for key, value in self.parameters.items()
        )
        return f"{self.name}:{values}" + (f",per={self.per}" if self.per else "")

    def model(self, seed: int) -> DelayModel:
        """Return the delay model."""
        if self.durations is not None:
            recorded = Recorded(self.durations)
            recorded.per = self.per
            return recorded
        return delays.create(self.text, seed)

    def redrawn(self, rng: np.random.Generator) -> Fit:
        """Return the fit of an equally likely measurement: parameters within their errors."""
        if self.durations is not None:
            some = rng.integers(len(self.durations), size=len(self.durations))
            return replace(self, durations=self.durations[some])
        drawn = {}
        for key, value in self.parameters.items():
            drawn[key] = value
            if not isinstance(value, str) and np.isfinite(value) and self.errors.get(key):
                relative = min(self.errors[key] / value, 0.5) if value else 0.0
                drawn[key] = value * float(np.exp(relative * rng.standard_normal()))
        for key in ("p", "onset", "recovery"):
            if key in drawn:
                drawn[key] = min(float(drawn[key]), 0.999)
        return replace(self, parameters=drawn)


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
    """Fit all delay models that may apply and return them, the best first.

    If no law is close, the measured durations themselves come first. So do they if the workers are
    alike in each iteration, because no law describes that.

    Parameters
    ----------
    times : TaskTimes
        Measured times.
    alike : bool
        Whether all workers take the same time in each iteration.
    per : str, optional
        Unit in which the delay models count the work of blocks; by default schemes decide.
    size : float
        Work of a measured task in that unit.

    Raises
    ------
    ValueError
        If no task was seen to end.
    """
    sample = times.shared()
    if not sample.ends:
        raise ValueError("no task was seen to end")
    enough = max(FITS, 1.63 / sqrt(sample.ends))
    if not alike and _together(times) and (together := _bernoulli(times)).distance <= enough:
        return [replace(together, per=per)]  # whose durations do not depend on the work
    times = times.scaled(1 / size)
    sample = times.shared()
    found = _candidates(times, sample)
    found.sort(key=lambda each: each.criterion)
    if found[0].distance > enough:
        found.sort(key=lambda each: each.distance > enough)
    if alike or found[0].distance > enough:
        found.insert(0, Fit("empirical", {}, {}, inf, durations=_completed(sample)))
    return [replace(each, per=per) for each in found]


def _candidates(times: TaskTimes, sample: ObservedTimes) -> list[Fit]:
    """Return all laws, each fitted and compared with the durations."""
    single = times.independent()
    if single is not None and _independent(single, sample):
        watched = single.of(single.seconds > 0)
        return [
            _judged(_single(law, watched, "independent"), [watched])
            for law in (Shifted.fit(watched), ParetoLaw.fit(watched))
        ]
    found = [_single(law, sample, "shared") for law in (Shifted.fit(sample), ParetoLaw.fit(sample))]
    if (slow := slow_workers(sample)).any():
        found.append(_persistent(sample, slow))
    if len(times.finish) > 2:
        found.append(_markov(sample))
    inner = _by_worker(_given_the_last(sample))
    return [_judged(each, inner) for each in found]


def _given_the_last(sample: ObservedTimes) -> ObservedTimes:
    """Treat the last known duration of each cut-off iteration as given: it may be the cut-off.

    The other durations follow the law below it.
    """
    ends = np.where(sample.known, sample.seconds, -inf)
    last = ends.max(axis=1, keepdims=True)
    cut = ~sample.known.all(axis=1, keepdims=True)
    known = sample.known & ~(cut & (ends == last))
    if not known.any():
        return sample
    return ObservedTimes(sample.seconds, known, np.where(cut, last, sample.limit))


def _completed(sample: ObservedTimes) -> Floats:
    """Return durations, censored ones replaced by the mean of the longer ones, or doubled."""
    seconds: Floats = sample.seconds.copy()
    ends = sample.seconds[sample.known]
    for place in zip(*np.nonzero(~sample.known), strict=True):
        longer = ends[ends > seconds[place]]
        seconds[place] = longer.mean() if longer.size else 2 * seconds[place]
    return seconds


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


def _together(times: TaskTimes) -> bool:
    """Return whether all tasks of a worker end at the same time."""
    first, last = times.finish[..., 0], times.finish[..., -1]
    known = np.isfinite(first) & np.isfinite(last)
    if times.finish.shape[2] < 2 or not known.any():
        return False
    return float(np.median(last[known] / first[known] - 1)) < TOGETHER


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


def _single(law: Shifted | ParetoLaw, sample: ObservedTimes, tasks: str) -> Fit:
    name = "shifted-exponential" if isinstance(law, Shifted) else "pareto"
    parameters: dict[str, float | str] = {**law.parameters}
    if tasks != "shared":
        parameters["tasks"] = tasks
    likelihood = float(law.log_likelihood(sample).sum())
    return Fit(name, parameters, law.errors, _bic(likelihood, 2, sample.seconds.size))


def _persistent(sample: ObservedTimes, slow: Bools) -> Fit:
    others = sample.of(np.broadcast_to(~slow, sample.known.shape))
    these = sample.of(np.broadcast_to(slow, sample.known.shape))
    law = Shifted.fit(others)
    mean = law.alpha + law.mean_excess
    factor = law.slowdown(these, np.ones(these.seconds.shape))
    variation = law.mean_excess / mean
    likelihood = law.log_likelihood(others).sum()
    likelihood += law.log_likelihood(these.shorter(factor)).sum()
    likelihood -= log(factor) * these.ends
    workers, count = len(slow), int(np.count_nonzero(slow))
    likelihood -= log(special.comb(workers, count))
    ranks = ",".join(str(worker + 1) for worker in np.flatnonzero(slow))
    return Fit(
        "persistent",
        {"ranks": ranks, "factor": factor, **law.parameters},
        {"factor": factor * variation * sqrt(1 / max(these.ends, 1) + 1 / law.ends), **law.errors},
        _bic(float(likelihood), 3, sample.seconds.size),
    )


def _markov(sample: ObservedTimes) -> Fit:
    found = two_states(sample)
    law, variation = found.law, found.law.mean_excess / (found.law.alpha + found.law.mean_excess)
    share = {"onset": (found.onset, found.fast), "recovery": (found.recovery, found.slow)}
    return Fit(
        "markov",
        {
            **{key: float(np.clip(value, 1e-6, 1)) for key, (value, _) in share.items()},
            "factor": found.factor,
            **law.parameters,
        },
        {
            **{k: sqrt(max(p * (1 - p), 1 / (n + 1)) / (n + 1)) for k, (p, n) in share.items()},
            "factor": found.factor * variation / sqrt(found.slow + 1),
            **law.errors,
        },
        _bic(found.log_likelihood, 5, sample.seconds.size),
    )


def _bernoulli(times: TaskTimes) -> Fit:
    """Fit the law under which all tasks of a worker end together, early or late."""
    first = np.where(times.done > 0, times.finish, np.nan)[..., 0]
    known = np.isfinite(first)
    ends = np.where(known, first, times.until)
    low, high = float(ends.min()), float(ends.max())
    late = (ends > sqrt(low * high)) | ~known
    p = float(late.mean()) if high > 2 * low else 0.0
    slow = float(ends[late & known].mean()) if (late & known).any() else inf
    if not p:
        slow = float(ends.mean())
    fast = float(ends[~late].mean()) if p else slow
    n = ends.size
    found = Fit(
        "bernoulli",
        {"p": min(p, 1 - 1 / n), "slow": slow, "fast": fast},
        {"p": sqrt(max(p * (1 - p), 1 / n) / n)},
        0.0,
    )

    def survival(_: int, x: Floats) -> Floats:
        return np.where(x < fast, 1.0, np.where(x < slow, p, 0.0))

    return _judged(found, _by_worker(ObservedTimes(ends, known, times.until)), survival)


def _bic(log_likelihood: float, parameters: int, size: int) -> float:
    return parameters * log(size) - 2 * log_likelihood


def _by_worker(sample: ObservedTimes) -> list[ObservedTimes]:
    everyone = np.arange(sample.known.shape[1])
    return [sample.of(np.broadcast_to(everyone == w, sample.known.shape)) for w in everyone]


def _judged(found: Fit, samples: list[ObservedTimes], survival: Survival | None = None) -> Fit:
    """Return the fit with its distance from the durations of each worker, and the p-value."""
    if survival is None:
        survival = _survival(found.model(0))
    low, high = [], []
    for worker, sample in enumerate(samples):
        x = sample.seconds[sample.known]
        # durations that ended while they were watched follow the law below that limit
        below = np.maximum(1 - survival(worker, sample.limit[sample.known]), 1e-12)
        low.append((1 - survival(worker, x * (1 - NOISE))) / below)
        high.append((1 - survival(worker, x * (1 + NOISE))) / below)
    n = sum(map(len, low))
    lower, upper = np.sort(np.concatenate(low)), np.sort(np.concatenate(high))
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - upper).max()), float((lower - steps[:-1]).max()), 0.0)
    return replace(found, distance=distance, p_value=float(stats.kstwo.sf(distance, n)))


def _survival(model: DelayModel) -> Survival:
    if isinstance(model, Bernoulli):
        raise TypeError("bernoulli has no law of durations")
    exceeds = getattr(model, "exceeds", None)

    def survival(worker: int, x: Floats) -> Floats:
        shared = model.survival(worker, x)
        if shared is not None:
            return shared
        assert exceeds is not None
        law: Floats = exceeds(x)
        return law

    return survival
