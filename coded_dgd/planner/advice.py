"""This module decides whether another scheme is worth a change during a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from coded_dgd import schemes
from coded_dgd.config import SCHEME_OPTIONS, RunConfig
from coded_dgd.delays.base import SHARE
from coded_dgd.errors import UsageError
from coded_dgd.planner.candidates import Candidate, candidates
from coded_dgd.planner.contention import share_cores
from coded_dgd.planner.convergence import block_factors
from coded_dgd.planner.costs import IterationCost, Sizes
from coded_dgd.planner.fitting import fit, slow_workers, unit_of_work
from coded_dgd.planner.judging import Entry, Judge, Limits
from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.observations import Floats, ObservedTimes
from coded_dgd.problems import objectives
from coded_dgd.problems.preparation import labels
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source

VERSION = 1
KNOWN = 0.3
"""Least fraction of durations that has to be known, because the fastest say little of others."""
MARGIN = 0.1
"""Least fraction of the remaining time that a change has to save; less may be chance."""
DRIFT = 1e-3
"""Significance level, over all tests, at which two windows follow different laws."""
CLOSE = 0.01
"""Relative difference of times up to which the alternative with the least memory is taken."""


@dataclass(frozen=True)
class Situation:
    """A situation is the state of a run between two iterations, on which an advice depends."""

    config: RunConfig
    """Configuration that runs now."""
    measured: Measurements
    """Measured times in the window; a task is 1/N of a gradient, and each worker a column."""
    living: tuple[int, ...]
    """Numbers of the workers that are not lost."""
    seconds: float
    """Mean time of an iteration in seconds."""
    remaining: int
    """Number of remaining iterations."""
    injected: bool
    """Whether delays are injected."""
    free: bool
    """Whether any exact scheme may be chosen; else only the present one in other sizes."""
    loads: tuple[int, ...]
    """Computation loads to try."""
    given: Mapping[str, Any]
    """Scheme options that the user has given."""
    products: Floats | None = None
    """Inner products of the block gradients, of shape (N, N), for approximate schemes."""

    @property
    def workers(self) -> int:
        """Number of workers M."""
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
            If the values are no recorded situation of this format.
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
    """This tuple is the prediction for a scheme in the remaining iterations."""

    workers: tuple[int, ...]
    """Workers of the present scheme that would take part."""
    entry: Entry
    error: float
    """Root mean square error of the gradients, relative to the exact one."""
    judge: Judge
    virtual: bool
    """Whether only tasks take time, as in the simulation."""

    @property
    def seconds(self) -> float:
        """Seconds of an iteration; inf if the scheme cannot be run."""
        found = self.entry.iteration
        return inf if self.entry.refusal or found is None else self._seconds(found)

    @property
    def pace(self) -> float:
        """Seconds needed for the progress of one exact iteration.

        A step 1/L along a gradient with relative error e decreases the loss by at least 1 - e^2
        times the decrease along the exact gradient (descent lemma).
        """
        return self._pace(self.seconds)

    def pace_under(self, redraw: int) -> float:
        """Return the pace under another law that the window may follow."""
        return self._pace(self._seconds(self.judge.redrawn(self.entry, redraw)))

    def _seconds(self, found: IterationCost) -> float:
        return found.completion if self.virtual else found.total

    def _pace(self, seconds: float) -> float:
        return seconds / (1 - self.error**2) if self.error < 1 else inf


@dataclass(frozen=True)
class Advice:
    """An advice says what to do, and why. Times are in seconds."""

    present: PredictedIteration
    """Prediction for the present scheme."""
    best: PredictedIteration
    """Prediction for the best alternative."""
    gain: float
    """Seconds saved in the remaining iterations, before subtracting `cost`."""
    cost: float
    """Seconds for handing out the data again."""
    certain: bool
    """Whether the alternative is better also under the other laws that may hold."""
    predictions: list[PredictedIteration]
    """Predictions for all schemes that can be run, the fastest first."""
    situation: Situation
    """Situation for which the advice holds."""

    @property
    def change(self) -> bool:
        """Whether to change the scheme."""
        left = self.situation.seconds * self.situation.remaining
        return self.certain and self.gain >= max(MARGIN * left, 2 * self.cost)

    @property
    def options(self) -> dict[str, Any]:
        """Scheme, sizes and options of the alternative, by their names in `RunConfig`."""
        return options_of(self.best.entry.candidate)

    @property
    def why(self) -> str:
        """Reason for the change, in a few words."""
        left_out = sorted(set(self.situation.living) - set(self.best.workers))
        if left_out:
            ranks = ", ".join(str(worker + 1) for worker in left_out)
            return f"worker{'s' if len(left_out) > 1 else ''} {ranks} slow"
        if self.best.error != self.present.error:
            return f"error of a gradient now {self.present.error:.2g}"
        return f"task times now near {self.present.judge.fitted.near}"


def options_of(candidate: Candidate) -> dict[str, Any]:
    """Return scheme, sizes and options of a candidate for `RunConfig`; None for defaults."""
    names = ("load", *SCHEME_OPTIONS)
    return {"scheme": candidate.name, **dict.fromkeys(names)} | {
        key: value for key, value in candidate.options.items() if key in names
    }


def same_shards(one: RunConfig, other: RunConfig) -> bool:
    """Return whether workers hold the same shards and do the same under both configurations."""
    option = schemes.find(one.scheme)[0].stop_option
    return one == (replace(other, **{option: getattr(one, option)}) if option else other)


def drifted(before: ObservedTimes, now: ObservedTimes) -> bool:
    """Return whether durations follow another law than before, for one worker or for all.

    Both samples are from the same scheme, so durations are cut off alike in both. The tests are
    rank sums (Mann and Whitney) for each worker, and for the means of the iterations.
    """
    tests = [(before.seconds.mean(axis=1), now.seconds.mean(axis=1))]
    tests += list(zip(before.seconds.T, now.seconds.T, strict=True))
    level = DRIFT / len(tests)
    return any(stats.mannwhitneyu(x, y).pvalue < level for x, y in tests)


def advise(situation: Situation, source: Source) -> Advice | None:
    """Predict the present scheme and its alternatives; return None if there is no choice.

    Parameters
    ----------
    source : Source
        The data.
    """
    config = situation.config
    objective = objectives.create(config.objective)
    problem = Problem(labels.encoded(source, objective), objective, config.ridge)
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
    """Return the seconds for handing out the data again."""
    after = replace(situation.config, **options_of(prediction.entry.candidate))
    everybody = len(prediction.workers) == situation.workers
    if prediction.virtual or (everybody and same_shards(situation.config, after)):
        return 0.0
    assert prediction.entry.once is not None
    return prediction.entry.once.total


class _Predictor:
    """A predictor predicts candidates on groups of the workers."""

    def __init__(self, situation: Situation, problem: Problem) -> None:
        self.situation, self.problem = situation, problem
        config, source = situation.config, problem.source
        self._sizes = Sizes.of(source, problem.objective, config)
        latency = situation.measured.network.latency_of(problem.parameters)
        self._times = situation.measured.times.earlier(latency)
        self._judges: dict[tuple[int, ...], Judge | None] = {}

    @property
    def known(self) -> float:
        """Fraction of the durations of living workers that are known."""
        return float(self._times.shared().known[:, list(self.situation.living)].mean())

    def groups(self) -> list[tuple[int, ...]]:
        """Return the group of all living workers, and the group without persistent stragglers."""
        living = self.situation.living
        slow = slow_workers(self._times.shared())
        fast = tuple(worker for worker in living if not slow[worker])
        exact = self.situation.products is None
        return [living] if fast == living or not exact else [living, fast]

    def alternatives(self, workers: int) -> Iterator[Candidate]:
        """Yield candidates for this number of workers."""
        now, config = self.situation, self.situation.config
        given = dict(now.given)
        most = max(now.loads, default=0) / (
            config.blocks or now.workers
        )  # of the data, at a worker
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
                batches=config.has_batches,
                seed=config.seed,
            ):
                scheme = each.scheme
                if scheme is None or not (scheme.exact or now.products is not None):
                    continue
                if scheme.load_option is None or scheme.load / scheme.blocks <= most:
                    yield each

    def _rules(self, workers: int) -> list[dict[str, Any]]:
        """Return the options of the present scheme, combined with each stop rule to try."""
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
        """Return predictions for candidates on these workers."""
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
        """Fit a law to the tasks of these workers; return None if no task is known to end."""
        now, columns = self.situation, list(workers)
        seen = now.measured.times
        times = replace(
            seen,
            finish=seen.finish[:, columns],
            done=seen.done[columns],
            until=seen.until[:, columns],
        )
        hosts = tuple(now.measured.hosts[worker] for worker in workers if now.measured.hosts)
        cores = tuple(now.measured.cores[worker] for worker in workers if now.measured.cores)
        measured = replace(now.measured, times=times, hosts=hosts, cores=cores)
        length, held_up = self._sizes.parameters, None
        if hosts and not now.injected:
            measured, held_up = share_cores(measured, length)
            times = measured.times
        else:
            times = times.earlier(measured.network.latency_of(length))
        per = unit_of_work(now.config, now.workers, now.injected)
        if not now.injected and (now.config.blocks is None or per == SHARE):
            # an equal share of the data, such as a block for each worker, is larger for fewer
            times = times.scaled(now.workers / len(workers))
        try:
            fitted = fit(times, held_up is not None, per)[0]
        except ValueError:  # no task was seen to end
            return None
        measured = replace(measured, times=times)
        return Judge(measured, fitted, self._sizes, Limits(), 0.0, now.injected, None, held_up)

    def _error(self, judge: Judge, entry: Entry) -> float:
        """Return the relative root mean square error of gradients; 0 for exact schemes."""
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
