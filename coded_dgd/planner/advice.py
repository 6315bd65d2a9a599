"""Whether another scheme is worth a change while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from coded_dgd import schemes
from coded_dgd.config import SCHEME_OPTIONS, RunConfig
from coded_dgd.errors import UsageError
from coded_dgd.planner.candidates import Candidate, candidates
from coded_dgd.planner.contention import share_cores
from coded_dgd.planner.convergence import block_factors
from coded_dgd.planner.costs import IterationCost, Sizes
from coded_dgd.planner.fitting import fit, slow_workers
from coded_dgd.planner.judging import Entry, Judge, Limits
from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.observations import Floats, ObservedTimes, TaskTimes
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source

VERSION = 1
KNOWN = 0.3
"""Part of the durations that has to be known: the fastest of many say little of the others."""
MARGIN = 0.1
"""Part of the remaining time that a change has to save: less may be chance."""
DRIFT = 1e-3
"""Probability below which two windows are not of the same law, over all tests."""
CLOSE = 0.01
"""Difference of times below which the alternative is taken that needs the least memory."""


@dataclass(frozen=True)
class Situation:
    """Where a run stands between two iterations: all that an advice depends on."""

    config: RunConfig
    """What runs now."""
    measured: Measurements
    """Times of tasks in the window, in tasks of 1/N of a gradient; a column per worker."""
    living: tuple[int, ...]
    """Workers that are not lost."""
    seconds: float
    """That an iteration took, on average."""
    remaining: int
    """Iterations."""
    injected: bool
    free: bool
    """Whether any scheme with exact gradients may be taken, or only this one in other sizes."""
    loads: tuple[int, ...]
    """Computation loads to try."""
    given: Mapping[str, Any]
    """Options of schemes that the user has given."""
    products: Floats | None = None
    """(N, N): inner products of the gradients of the blocks, for approximate schemes."""

    @property
    def workers(self) -> int:
        """M."""
        return self.measured.times.workers

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            **{name: getattr(self, name) for name in ("seconds", "remaining", "injected", "free")},
            "version": VERSION,
            "config": asdict(self.config) | {"guard": _finite(self.config.guard)},
            "measured": self.measured.to_json(),
            "living": list(self.living),
            "loads": list(self.loads),
            "given": dict(self.given),
            "products": None if self.products is None else self.products.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Situation:
        """Read what `to_json` has written.

        Raises
        ------
        UsageError
            If it is no such thing.
        """
        try:
            if values["version"] != VERSION:
                raise UsageError(
                    f"this adaptation has format {values['version']}, and this version reads "
                    f"{VERSION}"
                )
            guard, products = values["config"]["guard"], values["products"]
            return cls(
                RunConfig(**{**values["config"], "guard": inf if guard is None else guard}),
                Measurements.from_json(values["measured"]),
                tuple(values["living"]),
                float(values["seconds"]),
                int(values["remaining"]),
                bool(values["injected"]),
                bool(values["free"]),
                tuple(values["loads"]),
                dict(values["given"]),
                None if products is None else np.array(products, dtype=np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this is no adaptation that was recorded ({error!r})") from None


class PredictedIteration(NamedTuple):
    """What a scheme would do from now on."""

    workers: tuple[int, ...]
    """Of the present scheme, who would take part."""
    entry: Entry
    error: float
    """Root mean square error of its gradients, relative to the exact one."""
    judge: Judge
    virtual: bool
    """Whether nothing but tasks takes time."""

    @property
    def seconds(self) -> float:
        """Of an iteration."""
        found = self.entry.iteration
        return inf if self.entry.refusal or found is None else self._seconds(found)

    @property
    def pace(self) -> float:
        """Seconds for what an exact iteration achieves.

        A step 1/L along a gradient with a relative error e decreases the loss by 1 - e^2 of what
        the exact gradient does, at least (descent lemma).
        """
        return self._pace(self.seconds)

    def pace_under(self, redraw: int) -> float:
        """The same under another law that the window might be from."""
        return self._pace(self._seconds(self.judge.redrawn(self.entry, redraw)))

    def _seconds(self, found: IterationCost) -> float:
        return found.completion if self.virtual else found.total

    def _pace(self, seconds: float) -> float:
        return seconds / (1 - self.error**2) if self.error < 1 else inf


@dataclass(frozen=True)
class Advice:
    """What to do, and why. Times in seconds."""

    present: PredictedIteration
    best: PredictedIteration
    """The best alternative."""
    gain: float
    """What it saves over the remaining iterations, handing out the data not subtracted."""
    cost: float
    """Handing out the data."""
    certain: bool
    """Whether the alternative is better under the laws that the window might be from as well."""
    predictions: list[PredictedIteration]
    """All that can be run, the fastest first."""
    situation: Situation

    @property
    def change(self) -> bool:
        """Whether to change."""
        left = self.situation.seconds * self.situation.remaining
        return self.certain and self.gain >= max(MARGIN * left, 2 * self.cost)

    @property
    def options(self) -> dict[str, Any]:
        """Scheme, sizes and options of the alternative, by their names in `RunConfig`."""
        return options_of(self.best.entry.candidate)

    @property
    def why(self) -> str:
        """The reason, in a few words."""
        left_out = sorted(set(self.situation.living) - set(self.best.workers))
        if left_out:
            ranks = ", ".join(str(worker + 1) for worker in left_out)
            return f"worker{'s' if len(left_out) > 1 else ''} {ranks} slow"
        if self.best.error != self.present.error:
            return f"error of a gradient now {self.present.error:.2g}"
        return f"task times now {self.present.judge.fitted.text}"


def options_of(candidate: Candidate) -> dict[str, Any]:
    """Return what `RunConfig` takes of a candidate, None where it takes nothing."""
    names = ("load", *SCHEME_OPTIONS)
    return {"scheme": candidate.name, **dict.fromkeys(names)} | {
        key: value for key, value in candidate.options.items() if key in names
    }


def same_shards(one: RunConfig, other: RunConfig) -> bool:
    """Whether workers hold and do the same under both."""
    option = schemes.find(one.scheme)[0].stop_option
    return one == (replace(other, **{option: getattr(one, option)}) if option else other)


def drifted(before: ObservedTimes, now: ObservedTimes) -> bool:
    """Whether durations of tasks are of another law than before: of one worker, or of all.

    Both are of the same scheme, so that what was not waited for is missing in both alike.
    Rank sums (Mann and Whitney) of each worker, and of the means of the iterations.
    """
    tests = [(before.seconds.mean(axis=1), now.seconds.mean(axis=1))]
    tests += list(zip(before.seconds.T, now.seconds.T, strict=True))
    level = DRIFT / len(tests)
    return any(stats.mannwhitneyu(x, y).pvalue < level for x, y in tests)


def advise(situation: Situation, source: Source) -> Advice | None:
    """Predict the present scheme and its alternatives; None where there is nothing to choose.

    Parameters
    ----------
    source : Source
        The data.
    """
    config = situation.config
    objective = objectives.create(config.objective)
    problem = Problem(source, objective, config.ridge)
    predictor = _Predictor(situation, problem)
    everybody = tuple(range(situation.workers))
    options: dict[str, Any] = {"load": config.load, "blocks": config.blocks}
    options |= config.scheme_options
    scheme = schemes.create(config.scheme, situation.workers, seed=config.seed, **options)
    scheme.fit(source.rows, problem.block_norms)
    given = {key: value for key, value in options.items() if value is not None}
    found = predictor.predict(everybody, [Candidate(config.scheme, given, scheme)])
    if not found or not isfinite(found[0].seconds):
        return None
    present = found[0]
    predictions = []
    if predictor.known < KNOWN:
        return None
    for group in predictor.groups():
        predictions += predictor.predict(group, predictor.alternatives(len(group)))
    cost = {id(each): _cost(each, situation) for each in predictions}
    able = [each for each in predictions if isfinite(each.pace)]
    if not able:
        return None

    def left(each: PredictedIteration) -> float:
        return each.pace * situation.remaining + cost[id(each)]

    able.sort(key=left)
    close = [each for each in able if left(each) <= (1 + CLOSE) * left(able[0])]
    best = min(close, key=lambda each: each.entry.worker_memory)
    whole = situation.seconds * situation.remaining
    gain = whole * (1 - best.pace / present.pace) if present.pace < inf else whole
    certain = all(best.pace_under(k) < present.pace_under(k) for k in range(best.judge.redraws))
    return Advice(present, best, gain, cost[id(best)], certain, able, situation)


def _cost(prediction: PredictedIteration, situation: Situation) -> float:
    """Seconds to hand out the data again."""
    after = replace(situation.config, **options_of(prediction.entry.candidate))
    everybody = len(prediction.workers) == situation.workers
    if prediction.virtual or (everybody and same_shards(situation.config, after)):
        return 0.0
    assert prediction.entry.once is not None
    return prediction.entry.once.total


class _Predictor:
    """Predicts candidates on groups of the workers."""

    def __init__(self, situation: Situation, problem: Problem) -> None:
        self.situation, self.problem = situation, problem
        config, source = situation.config, problem.source
        self._sizes = Sizes.of(source, problem.objective, config)
        latency = situation.measured.network.latency_of(problem.parameters)
        self._times = situation.measured.times.earlier(latency)
        self._judges: dict[tuple[int, ...], Judge | None] = {}

    @property
    def known(self) -> float:
        """Part of the durations that were seen to the end, of workers that live."""
        return float(self._times.shared().known[:, list(self.situation.living)].mean())

    def groups(self) -> list[tuple[int, ...]]:
        """All workers that live; and these without those that are slow for good."""
        living = self.situation.living
        slow = slow_workers(self._times.shared())
        fast = tuple(worker for worker in living if not slow[worker])
        exact = self.situation.products is None
        return [living] if fast == living or not exact else [living, fast]

    def alternatives(self, workers: int) -> Iterator[Candidate]:
        """Candidates on so many workers."""
        now, config = self.situation, self.situation.config
        given = dict(now.given)
        names = None if now.free else schemes.family(config.scheme, now.loads)
        for rule in self._rules(workers):
            for each in candidates(
                workers,
                config.blocks,
                now.loads,
                self.problem.objective,
                self.problem.source.rows,
                self.problem.block_norms,
                names=names,
                given=given | rule,
                seed=config.seed,
            ):
                if each.scheme is not None and (each.scheme.exact or now.products is not None):
                    yield each

    def _rules(self, workers: int) -> list[dict[str, Any]]:
        """Options of the present scheme, with each rule that says when to stop waiting."""
        config = self.situation.config
        scheme, implied = schemes.find(config.scheme)
        if scheme.stop_option is None or scheme.stop_option in implied:
            return [{}]
        present = {k: v for k, v in config.scheme_options.items() if k in scheme.options}
        rules = scheme.stop_rules(workers, config.blocks or workers)
        return [present | rule for rule in rules]

    def predict(
        self, workers: tuple[int, ...], some: Sequence[Candidate] | Iterator[Candidate]
    ) -> list[PredictedIteration]:
        """Predict candidates on these workers."""
        if workers not in self._judges:
            self._judges[workers] = self._judge(workers)
        judge = self._judges[workers]
        if judge is None:
            return []
        entries = [judge.first(candidate) for candidate in some]
        virtual = self.situation.config.transport == "simulated"
        return [
            PredictedIteration(workers, entry, self._error(judge, entry), judge, virtual)
            for entry in entries
            if entry.refusal is None
        ]

    def _judge(self, workers: tuple[int, ...]) -> Judge | None:
        """Fit a law to the tasks of these workers; None where nothing is known of them."""
        now, columns = self.situation, list(workers)
        seen = now.measured.times
        times = TaskTimes(seen.finish[:, columns], seen.done[columns], seen.until[:, columns])
        hosts = tuple(now.measured.hosts[worker] for worker in workers if now.measured.hosts)
        cores = tuple(now.measured.cores[worker] for worker in workers if now.measured.cores)
        measured = replace(now.measured, times=times, hosts=hosts, cores=cores)
        length, held_up = self._sizes.parameters, None
        if hosts and not now.injected:
            measured, held_up = share_cores(measured, length)
            times = measured.times
        else:
            times = times.earlier(measured.network.latency_of(length))
        if not now.injected and now.config.blocks is None:
            # blocks are as many as workers: with fewer of them each is larger
            times = times.scaled(now.workers / len(workers))
        try:
            fitted = fit(times, alike=held_up is not None)[0]
        except ValueError:  # no task was seen to end
            return None
        measured = replace(measured, times=times)
        return Judge(measured, fitted, self._sizes, Limits(), 0.0, now.injected, None, held_up)

    def _error(self, judge: Judge, entry: Entry) -> float:
        """Root mean square error of gradients, relative to the exact one; 0 of exact schemes."""
        scheme, products = entry.candidate.scheme, self.situation.products
        assert scheme is not None
        if scheme.exact:
            return 0.0
        if products is None or len(products) != scheme.blocks:
            return inf
        off = block_factors(scheme, judge.arrivals(entry)) - 1
        square = float(np.einsum("pi,ij,pj->p", off, products, off).mean())
        return float(np.sqrt(max(square, 0.0) / max(float(products.sum()), 1e-300)))


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
