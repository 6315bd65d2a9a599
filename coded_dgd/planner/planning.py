"""A plan predicts every scheme and load for a cluster, ranks them and recommends one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Any

from coded_dgd import delays
from coded_dgd.admission import admit
from coded_dgd.config import RunConfig
from coded_dgd.delays.base import SHARE
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.planner.candidates import LARGEST_LOAD, candidates, variants
from coded_dgd.planner.contention import share_cores
from coded_dgd.planner.convergence import Outlook, Race, sample, soonest
from coded_dgd.planner.costs import Sizes
from coded_dgd.planner.fitting import Fit, fit, unit_of_work
from coded_dgd.planner.judging import Entry, Judge, Limits
from coded_dgd.planner.measurements import Measurements
from coded_dgd.planner.verdict import BASE, SAME, Verdict, decide, differences_last, kind
from coded_dgd.problems import evaluation, objectives, optimizers
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import Source

FINALISTS = 8
"""Number of schemes that are predicted again, more precisely, besides the baseline."""
LEAST_ROWS = 4
"""Least number of rows of the blocks of finer candidates."""
RACERS = 24
"""Number of approximate schemes whose convergence is tried."""
SLACK = 2
"""Largest number of iterations of a run to the target, as a multiple of the forecast."""
HOPELESS = 2.0
"""Time, relative to the best candidate, from which on other numbers of blocks are not tried."""


@dataclass(frozen=True)
class Plan:
    """A plan holds the candidates, the best first, and the inputs of their predictions."""

    config: RunConfig
    workers: int
    fits: list[Fit]
    measured: Measurements
    limits: Limits
    data_bytes: float
    injected: bool
    names: Sequence[str] | None
    loads: Sequence[int] | None
    """Computation loads to try, if the user has chosen them."""
    weights: Mapping[str, Sequence[float]]
    """Seconds for computing weights, in the first and the second prediction."""
    target: float
    """Target ||gradient|| / ||first gradient||."""
    iterations: int
    """Number of iterations that exact gradients need to reach the target."""
    outlooks: list[Outlook]
    """Outlooks of the optimizers to choose among, or of the only one."""
    finalists: list[Entry] = field(repr=False)
    """Best entry of each scheme, ranked after the recommended one."""
    entries: list[Entry] = field(repr=False)
    """Finalists, then all other entries that can be run, then all that cannot."""
    verdict: Verdict = field(repr=False)
    """Recommended entry, which comes first in both lists, and the reason for it."""

    @property
    def choice(self) -> Entry:
        """Recommended entry."""
        return self.verdict.choice

    def configured(self, entry: Entry) -> RunConfig:
        """Return the configuration that runs an entry, with the options that its scheme takes."""
        values: dict[str, Any] = dict.fromkeys(["load", "blocks", *self.config.scheme_options])
        values |= entry.candidate.options
        if entry.candidate.scheme is not None and not entry.candidate.scheme.exact:
            values["iterations"] = round(entry.iterations)
        elif self.limits.target is not None:
            values["iterations"] = max(self.config.iterations, SLACK * self.iterations)
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
    optimizer_names: Sequence[str] | None = None,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> Plan:
    """Predict all candidates and rank them.

    Unless the configuration gives a number of blocks, candidates have different ones. They are
    compared by the same unit of work, so injected delays that name none count by ``share``.

    Parameters
    ----------
    config : RunConfig
        Configuration to run. Its scheme is ignored; other options of schemes are kept.
    workers : int
        Number of workers M.
    data_bytes : float
        Bytes of the opened data on rank 0.
    injected : bool
        Whether delays are injected, so that they depend on the number of tasks alone.
    names : sequence of str, optional
        Schemes to choose among; by default all.
    loads : sequence of int, optional
        Computation loads to try; by default that of the configuration, or 1 to 20.
    optimizer_names : sequence of str, optional
        Optimizers to choose among, which needs a target; by default that of the configuration.
    weights : mapping, optional
        `Plan.weights` of an earlier plan, to reproduce it. By default the times are measured.

    Raises
    ------
    Infeasible
        If no candidate can be run, or exact gradients do not reach the target.
    UsageError
        If there is a target for mini-batches, whose errors the forecast does not know.
    """
    if limits.target is not None and config.has_batches:
        raise UsageError(
            "--target is forecast for gradients of all rows: leave --batch out, or give a number "
            "of --iterations instead"
        )
    if config.blocks is None:
        config = replace(config, delay=delays.in_unit(config.delay, SHARE))
    chosen = [config.load] if loads is None and config.load else loads
    largest = max(LARGEST_LOAD, -(-(config.blocks or workers) // workers))
    objective = objectives.create(config.objective)
    source = admit(config, objective, source)
    length = evaluation.size(objective, source.features)
    here, held_up = measured, None
    if measured.hosts and not injected:
        here, held_up = share_cores(measured, length)
        times = here.times
    else:
        times = measured.times.earlier(measured.network.latency_of(length))
    per = unit_of_work(config, workers, injected)
    if config.blocks is None and not injected:
        per = SHARE  # computations take times in proportion to rows
    size = workers / (config.blocks or workers) if per == SHARE else 1.0
    fits = fit(times, held_up is not None, per, size)
    some = sample(source)
    problem = Problem(some, objective, config.ridge * some.rows / source.rows)
    step_sizes = {config.optimizer: config.step_size}
    if optimizer_names:
        step_sizes = {
            name: optimizers.step_size_for(name, config.step_size) for name in optimizer_names
        }

    rows = source.rows

    def race_of(name: str) -> Race:
        step_size = step_sizes[name]
        return Race(
            problem,
            rows,
            name,
            step_size,
            config.iterations,
            limits.target,
            config.seed,
            not config.has_batches,
        )

    race, outlooks = soonest(list(step_sizes), race_of)
    config = replace(config, optimizer=race.optimizer, step_size=step_sizes[race.optimizer])
    sizes = Sizes.of(source, objective, config, some.rows)
    covering = delays.create(config.delay, config.seed) if injected else None
    judge = Judge(here, fits[0], sizes, limits, data_bytes, injected, weights, held_up, covering)
    entries = [
        judge.first(candidate)
        for candidate in candidates(
            workers,
            config.blocks,
            chosen or range(1, largest + 1),
            objective,
            some.rows,
            problem.block_norms,
            names=names,
            given=config.scheme_options,
            batches=config.has_batches,
            seed=config.seed,
            chosen=chosen is not None,
        )
    ]
    if config.blocks is None and chosen is None and per == SHARE:
        for best in _worth_variants(entries, race.iterations):
            most = _most_blocks(best, source, injected)
            entries += [
                judge.first(each)
                for each in variants(best.candidate, most, config.scheme_options, config.seed)
            ]
    _run_race(race, entries, judge)
    entries.sort(key=lambda each: each.job)
    finalists = _finalists(entries, judge)
    for entry in finalists:
        judge.again(entry)
    # the others are sorted by their rough predictions
    others = [each for each in entries if each not in finalists]
    finalists.sort(key=lambda each: each.job)
    able = [each for each in finalists if isfinite(each.job)]
    if not able:
        reasons = sorted({str(each.refusal) for each in entries if each.refusal})
        raise Infeasible(f"no scheme can be run: {'; '.join(reasons[:3])}")
    verdict = decide(able, differences_last(judge.delay, workers))
    finalists.sort(key=lambda each: each is not verdict.choice)
    return Plan(
        config,
        workers,
        fits,
        measured,
        limits,
        data_bytes,
        injected,
        names,
        None if chosen is None else list(chosen),
        judge.weights,
        race.target,
        race.iterations,
        outlooks,
        finalists,
        finalists + others,
        verdict,
    )


def _worth_variants(entries: Sequence[Entry], iterations: int) -> list[Entry]:
    """Return the best entry of each scheme, by exact iterations, if it may become the fastest.

    Parameters
    ----------
    iterations : int
        Number of iterations with exact gradients.
    """

    def at_best(entry: Entry) -> float:
        if entry.refusal or entry.iteration is None or entry.once is None:
            return inf
        return entry.once.total + iterations * entry.iteration.total

    able = [each for each in entries if isfinite(at_best(each))]
    by_name: dict[str, list[Entry]] = {}
    for entry in sorted(able, key=at_best):
        by_name.setdefault(entry.candidate.name, []).append(entry)
    limit = HOPELESS * min(map(at_best, able), default=inf)
    found = []
    for group in by_name.values():
        close = [each for each in group if at_best(each) <= (1 + SAME) * at_best(group[0])]
        found.append(min(close, key=_simplest))
    return [each for each in found if at_best(each) <= limit]


def _most_blocks(entry: Entry, source: Source, injected: bool) -> int:
    """Return the largest number of blocks that are not mainly padding.

    Injected delays do not depend on the size of blocks, so that one row suffices.
    """
    scheme = entry.candidate.scheme
    rows = source.features if scheme is not None and scheme.of_gram_matrix else source.rows
    return rows if injected else rows // LEAST_ROWS


def _finalists(entries: Sequence[Entry], judge: Judge) -> list[Entry]:
    """Return the best entry of each scheme.

    Among equal entries it is the one that is fastest if a worker is lost, and among these the one
    that needs the least memory.
    """
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        if isfinite(entry.job):
            by_name.setdefault(entry.candidate.name, []).append(entry)
    chosen: list[Entry] = []
    for group in by_name.values():
        close = [each for each in group if each.job <= (1 + SAME) * group[0].job]
        if len(close) > 1:
            without = [judge.without_one(each) for each in close]
            least = (1 + SAME) * min(without)
            close = [each for each, t in zip(close, without, strict=True) if t <= least]
        chosen.append(min(close, key=_simplest))
    baseline = [each for each in chosen[FINALISTS:] if kind(each) == BASE]
    return chosen[:FINALISTS] + baseline


def _simplest(entry: Entry) -> tuple[float, int, int]:
    """Return a key that puts little memory, few blocks and few options first."""
    scheme = entry.candidate.scheme
    assert scheme is not None
    return entry.worker_memory, scheme.blocks, len(entry.candidate.options)


def _run_race(race: Race, entries: Sequence[Entry], judge: Judge) -> None:
    """Set the iterations of each entry; approximate ones run only if they can be faster."""
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
    try:
        found = race.run(schemes, [judge.arrivals(each) for each in racing])
    except Infeasible:
        for entry in racing:
            entry.refusal = f"approximate, and {race.optimizer} needs exact gradients"
        return
    for entry, iterations in zip(racing, found, strict=True):
        entry.iterations = max(iterations, race.iterations)
        if iterations == inf:
            entry.refusal = f"approximate: does not reach {race.target:.1e} of the first gradient"
