"""A plan: every scheme and load predicted for a cluster, ranked, and one of them recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np

from coded_dgd.config import RunConfig
from coded_dgd.delays.base import DelayModel
from coded_dgd.errors import Infeasible
from coded_dgd.planner import memory
from coded_dgd.planner.candidates import LARGEST_LOAD, Candidate, candidates
from coded_dgd.planner.contention import share_cores
from coded_dgd.planner.convergence import PATTERNS, Race, sample
from coded_dgd.planner.costs import REALISATIONS, Iteration, Once, Sizes, iteration, once
from coded_dgd.planner.fitting import Fit, fit
from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.observations import Bools, Floats
from coded_dgd.problems import objectives, step_sizes
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import Source
from coded_dgd.theory.exact import exact_completion
from coded_dgd.theory.integrate import integrate

FINALISTS = 8
"""Schemes that are looked at again, with closed forms and more realisations, besides `uncoded`."""
REPLAYS = 40
"""Iterations of a finalist that are decoded under the guard."""
REDRAWS = 8
"""Fits that might as well have been found, for the uncertainty."""
RACERS = 24
"""Approximate schemes whose convergence is tried."""
SAME = 0.005
"""Difference of times below which two candidates are as good."""


@dataclass(frozen=True)
class Limits:
    """What constrains a choice."""

    memory_per_worker: float = inf
    """Bytes."""
    exact: bool = False
    """Only schemes whose gradients are exact."""
    target: float | None = None
    """||gradient|| / ||first gradient|| to be reached; by default where T exact iterations get."""


@dataclass
class Entry:
    """What is predicted for a candidate. Times in seconds, memory in bytes."""

    candidate: Candidate
    refusal: str | None = None
    """Why it is out of the question."""
    iteration: Iteration | None = None
    once: Once | None = None
    worker_memory: float = 0.0
    master_memory: float = 0.0
    iterations: float = inf
    """To the target."""
    uncertainty: float = 0.0
    """Standard error of the time of an iteration."""
    method: str = "monte-carlo"

    @property
    def job(self) -> float:
        """Seconds from the data to the target."""
        if self.refusal or self.iteration is None or self.once is None:
            return inf
        return self.once.total + self.iterations * self.iteration.total


@dataclass(frozen=True)
class Plan:
    """Candidates, the best first, and what they were judged by."""

    config: RunConfig
    workers: int
    fits: list[Fit]
    measured: Measurements
    limits: Limits
    data_bytes: float
    injected: bool
    names: Sequence[str] | None
    loads: Sequence[int]
    weights: Mapping[str, Sequence[float]]
    """Seconds that computing weights took, at the first look and at the second."""
    target: float
    iterations: int
    """Of exact gradients to the target."""
    finalists: list[Entry] = field(repr=False)
    """The best of each scheme, ranked."""
    entries: list[Entry] = field(repr=False)
    """These, then all others that can be run, and those that cannot."""

    @property
    def choice(self) -> Entry:
        """The recommended one."""
        return self.entries[0]

    def configured(self, entry: Entry) -> RunConfig:
        """Return the configuration that runs an entry."""
        values: dict[str, Any] = {"load": None, **entry.candidate.options}
        if entry.candidate.scheme is not None and not entry.candidate.scheme.exact:
            values["iterations"] = round(entry.iterations)
        elif self.limits.target is not None:
            values["iterations"] = max(self.config.iterations, self.iterations)
            values["stop_at"] = self.limits.target
        return replace(self.config, scheme=entry.candidate.name, **values)


def make_plan(
    measured: Measurements,
    config: RunConfig,
    source: Source,
    workers: int,
    limits: Limits,
    *,
    data_bytes: float,
    injected: bool,
    names: Sequence[str] | None = None,
    loads: Sequence[int] | None = None,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> Plan:
    """Predict all candidates and rank them.

    Parameters
    ----------
    config : RunConfig
        What is to be run; its scheme counts for nothing, other options of schemes are kept.
    workers : int
        M.
    data_bytes : float
        What the opened data take on rank 0.
    injected : bool
        Whether delays are injected, so that they count tasks whatever these compute.
    names : sequence of str, optional
        Schemes to choose among; by default all.
    loads : sequence of int, optional
        Computation loads to try; by default that of the configuration, or 1 to 20.
    weights : mapping, optional
        `Plan.weights` of an earlier plan, so that this one is the same; by default measured.

    Raises
    ------
    Infeasible
        If no candidate can be run, or exact gradients do not reach the target.
    """
    if loads is None:
        largest = max(LARGEST_LOAD, -(-(config.blocks or workers) // workers))
        loads = [config.load] if config.load else range(1, largest + 1)
    times = measured.times.earlier(measured.network.latency_of(source.features))
    if measured.hosts and not injected:
        times = share_cores(times, measured.compute, measured.hosts)
    fits = fit(times)
    some = sample(source)
    objective = objectives.create(config.objective)
    problem = Problem(some, objective, config.ridge * some.rows / source.rows)
    race = Race(
        problem,
        step_sizes.parse(_for_sample(config.step_size, source.rows / some.rows)),
        config.optimizer,
        config.iterations,
        limits.target,
        config.seed,
    )
    quadratic = objective.degree == 2
    itemsize = np.dtype(config.dtype).itemsize
    sizes = Sizes(source.rows, source.features, some.rows, config.guard, quadratic, itemsize)
    judge = _Judge(measured, fits[0], sizes, limits, data_bytes, injected, weights)
    entries = [
        judge.first(candidate)
        for candidate in candidates(
            workers,
            config.blocks,
            loads,
            objective,
            some.rows,
            problem.block_norms,
            names=names,
            given=config.scheme_options,
            seed=config.seed,
        )
    ]
    _run_race(race, entries, judge)
    entries.sort(key=lambda each: each.job)
    finalists = _finalists(entries, judge)
    for entry in finalists:
        judge.again(entry)
    # the others are sorted by what is known of them, which is less
    others = [each for each in entries if each not in finalists]
    finalists.sort(key=lambda each: each.job)
    entries = finalists + others
    if not entries or not isfinite(entries[0].job):
        reasons = sorted({str(each.refusal) for each in entries if each.refusal})
        raise Infeasible(f"no scheme can be run: {'; '.join(reasons[:3])}")
    return Plan(
        config,
        workers,
        fits,
        measured,
        limits,
        data_bytes,
        injected,
        names,
        list(loads),
        judge.weights,
        race.target,
        race.iterations,
        finalists,
        entries,
    )


def _finalists(entries: Sequence[Entry], judge: _Judge) -> list[Entry]:
    """The best of each scheme.

    Where several are as good, the one that takes least if a worker drops out, and of these the one
    that needs the least memory.
    """
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        if isfinite(entry.job):
            by_name.setdefault(entry.candidate.name, []).append(entry)
    chosen = []
    for group in by_name.values():
        close = [each for each in group if each.job <= (1 + SAME) * group[0].job]
        if len(close) > 1:
            without = [judge.without_one(each) for each in close]
            least = (1 + SAME) * min(without)
            close = [each for each, t in zip(close, without, strict=True) if t <= least]
        chosen.append(min(close, key=lambda each: each.worker_memory))
    baseline = [each for each in chosen[FINALISTS:] if each.candidate.name == "uncoded"]
    return chosen[:FINALISTS] + baseline


def _for_sample(step_size: str, ratio: float) -> str:
    """A step that is a number is for the sum over all rows: a sample of them takes a longer one."""
    try:
        return str(float(step_size) * ratio)
    except ValueError:
        return step_size


class _Judge:
    """Predicts one candidate after the other from the same measurements."""

    def __init__(
        self,
        measured: Measurements,
        fitted: Fit,
        sizes: Sizes,
        limits: Limits,
        data_bytes: float,
        injected: bool,
        weights: Mapping[str, Sequence[float]] | None,
    ) -> None:
        self.measured, self.fitted, self.sizes = measured, fitted, sizes
        self.limits, self.data_bytes, self.injected = limits, data_bytes, injected
        self.delay = fitted.model(0)
        self.weights: dict[str, list[float]] = {}
        self._known_weights = weights or {}
        rng = np.random.default_rng(0)
        self._redrawn = [fitted.redrawn(rng).model(0) for _ in range(REDRAWS)]

    def first(self, candidate: Candidate) -> Entry:
        """Predict, roughly."""
        scheme = candidate.scheme
        if scheme is None:
            return Entry(candidate, candidate.refusal)
        if self.limits.exact and not scheme.exact:
            return Entry(candidate, "approximate, and --exact is given")
        entry = Entry(
            candidate,
            worker_memory=memory.worker(scheme, self.sizes),
            master_memory=memory.master(scheme, self.sizes, self.data_bytes),
            once=once(scheme, self.measured, self.sizes),
        )
        if entry.worker_memory > self.limits.memory_per_worker:
            entry.refusal = (
                f"a worker needs {entry.worker_memory / 1e9:.3g} GB, more than --memory-per-worker"
            )
            return entry
        entry.iteration = self._look(entry)
        entry.uncertainty = entry.iteration.standard_error
        if not isfinite(entry.iteration.guard):
            entry.refusal = "decoding amplifies errors above the guard"
        elif not isfinite(entry.iteration.total):
            entry.refusal = "some iterations never become decodable"
        return entry

    def again(self, entry: Entry) -> None:
        """Predict a finalist with more realisations, closed forms, and an uncertainty."""
        better = self._look(entry, replays=REPLAYS)
        error = better.standard_error
        if (expected := self._expected(entry)) is not None:
            # only what messages add is left to chance: the rest is known
            better = replace(
                better, completion=better.completion + expected - better.ideal, ideal=expected
            )
            error *= min(1.0, better.communication / max(expected, 1e-12))
            entry.method = "exact"
        others = [self._iteration(entry, delay).total for delay in self._redrawn]
        known = [each for each in others if isfinite(each)]
        spread = float(np.std(known)) if len(known) > 1 else 0.0
        entry.iteration, entry.uncertainty = better, sqrt(error**2 + spread**2)
        if not isfinite(better.total):
            entry.refusal = "decoding amplifies errors above the guard"

    def without_one(self, entry: Entry) -> float:
        """Mean completion time where one worker, each in turn, sends nothing."""
        scheme = entry.candidate.scheme
        assert scheme is not None
        rng = np.random.default_rng(2)
        times = self.delay.sample(rng, REALISATIONS, scheme.workers, scheme.message_work)
        times[:, ~scheme.expected] = inf
        times[np.arange(REALISATIONS), np.arange(REALISATIONS) % scheme.workers] = inf
        return float(scheme.completion_time(times).mean())

    def arrivals(self, entry: Entry) -> Bools:
        """What has arrived when an iteration is complete: (PATTERNS, M, J)."""
        scheme = entry.candidate.scheme
        assert scheme is not None
        rng = np.random.default_rng(1)
        times = self.delay.sample(rng, PATTERNS, scheme.workers, scheme.message_work)
        times[:, ~scheme.expected] = inf
        done: Floats = scheme.completion_time(times)
        return times <= done[:, None, None]

    def _expected(self, entry: Entry) -> float | None:
        """Mean completion time where messages take no time, where it is known exactly."""
        scheme = entry.candidate.scheme
        assert scheme is not None
        if scheme.gram and not self.injected:
            return None
        exact = exact_completion(scheme, self.delay)
        mean = integrate(exact).mean if exact is not None else inf
        return mean if isfinite(mean) else None

    def _look(self, entry: Entry, **options: Any) -> Iteration:
        """Predict an iteration, and take down what its weights took, or has been taken down."""
        found, name = self._iteration(entry, self.delay, **options), entry.candidate.arguments
        before = self.weights.setdefault(name, [])
        known = self._known_weights.get(name, ())
        before.append(known[len(before)] if len(before) < len(known) else found.weights)
        return replace(found, weights=before[-1])

    def _iteration(self, entry: Entry, delay: DelayModel, **options: Any) -> Iteration:
        assert entry.candidate.scheme is not None
        return iteration(
            entry.candidate.scheme,
            delay,
            self.measured,
            self.sizes,
            injected=self.injected,
            **options,
        )


def _run_race(race: Race, entries: Sequence[Entry], judge: _Judge) -> None:
    """Find how many iterations each takes; of approximate ones only where that can pay."""
    able = [each for each in entries if each.refusal is None]
    for entry in able:
        if entry.candidate.scheme is not None and entry.candidate.scheme.exact:
            entry.iterations = race.iterations
    best = min((each.job for each in able), default=inf)
    approximate = []
    for entry in able:
        if entry.iterations < inf or entry.iteration is None or entry.once is None:
            continue
        if entry.once.total + race.iterations * entry.iteration.total >= best:
            entry.refusal = "approximate, and no faster than the best exact one"
        else:
            approximate.append(entry)
    approximate.sort(key=lambda each: each.iteration.total if each.iteration else inf)
    for entry in approximate[RACERS:]:
        entry.refusal = f"not among the {RACERS} fastest approximate ones"
    racing = approximate[:RACERS]
    schemes = [each.candidate.scheme for each in racing if each.candidate.scheme is not None]
    found = race.run(schemes, [judge.arrivals(each) for each in racing])
    for entry, iterations in zip(racing, found, strict=True):
        entry.iterations = max(iterations, race.iterations)
        if iterations == inf:
            entry.refusal = f"approximate: does not reach {race.target:.1e} of the first gradient"
