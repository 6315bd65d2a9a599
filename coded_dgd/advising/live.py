"""This module connects ``run --adapt`` with the planner: observations in, changes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from coded_dgd.advising.ping_pong import measure_messages
from coded_dgd.config import RunConfig
from coded_dgd.delays.base import SHARE
from coded_dgd.delays.trace import in_order
from coded_dgd.engine.changes import Change
from coded_dgd.engine.protocol import Floats
from coded_dgd.engine.stage import Stage
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import UsageError
from coded_dgd.planner.advice import Situation, advise, drifted, same_shards
from coded_dgd.planner.candidates import LARGEST_LOAD
from coded_dgd.planner.costs import Sizes, bytes_held, task_size
from coded_dgd.planner.fitting import unit_of_work
from coded_dgd.planner.measurements import Measurements, Network, Speed, measure_speed
from coded_dgd.planner.observations import TaskTimes
from coded_dgd.problems import evaluation, objectives
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.preparation import labels
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import Source

EVERY = 20
"""Number of iterations between two looks at the observations."""
ENOUGH = 2
"""Number of looks at the same law after which the adviser of an exact scheme stops."""
CONFIRMED = 0.25
"""Relative error of a prediction up to which its law counts as confirmed."""
LONGEST = 5 * EVERY
"""Maximum number of iterations in the window."""
PAUSE = 20.0
"""Pause after a look, as a multiple of the time that it took."""
MOST_BLOCKS = 1000
"""Maximum number of blocks for which errors of approximate gradients are computed."""


def adviser(
    config: RunConfig,
    transport: Transport,
    source: Source,
    given: Mapping[str, Any],
    network: Network | None,
    free: bool,
) -> LiveAdviser:
    """Return an adviser for the trainer; measure the network first if it is not known.

    Parameters
    ----------
    given : mapping
        Scheme options that the user has given.
    network : Network, optional
        Times of messages, if known.
    free : bool
        Whether other schemes may be chosen.
    """
    if network is None:
        parameters = labels.parameters(source, objectives.create(config.objective))
        network = Network(**measure_messages(config, transport, parameters)[1]._asdict())
    return LiveAdviser(network, measure_speed(), dict(given), free)


@dataclass
class LiveAdviser:
    """A live adviser looks at the observations of a trainer at intervals."""

    network: Network
    speed: Speed
    given: dict[str, Any]
    free: bool
    _stage: Stage | None = field(default=None, init=False)
    _begin: int = field(default=1, init=False)
    """First iteration of the window, counted from the stage's first one in this process."""
    _looked: int = field(default=1, init=False)
    """Number of iterations of the stage at the last look, counted likewise."""
    _looks: int = field(default=0, init=False)
    """Number of looks at the present law."""
    _every: int = field(default=EVERY, init=False)
    _not_before: float = field(default=0.0, init=False)
    _handing_out: float = field(default=0.0, init=False)
    """Time for handing out data, in seconds per byte."""

    def __call__(self, trainer: Trainer) -> Change | None:
        """Return the change to make before the next iteration, or None."""
        stage = trainer.stage
        if stage is not self._stage:
            self._stage, self._begin, self._looked, self._looks = stage, 1, 1, 0
        now = len(stage.spans)
        if now - self._looked < self._every:
            return None
        if self._looked == 1:
            self._learn(trainer)
        elif self._drifted(trainer):
            self._begin, self._looks = self._looked, 0
        self._begin, self._looked = max(self._begin, now - LONGEST), now
        self._looks += 1
        clock = trainer.transport.clock
        settled = self._looks > ENOUGH and stage.scheme.exact
        if settled or clock() < self._not_before:
            return None
        begin = clock()
        change = self._advise(trainer)
        self._not_before = clock() + PAUSE * (clock() - begin)
        return change

    def _learn(self, trainer: Trainer) -> None:
        """Record the time for handing out data; look less often if a change did not pay."""
        stage, changes = trainer.stage, trainer.adaptations
        if stage.handing_out and stage.cost is not None:
            self._handing_out = stage.cost / bytes_held(stage.scheme, _sizes(trainer))
        if changes and changes[-1].stage == stage.number and stage.seconds and stage.scheme.exact:
            last = changes[-1]
            self._every = EVERY if stage.seconds < last.replaced else 2 * self._every
            if abs(stage.seconds / last.predicted - 1) < CONFIRMED:
                self._looks = ENOUGH

    def _drifted(self, trainer: Trainer) -> bool:
        before = _times(trainer, self._begin, self._looked).shared()
        return drifted(before, _times(trainer, self._looked, len(trainer.stage.spans)).shared())

    def _advise(self, trainer: Trainer) -> Change | None:
        stage, scheme, group = trainer.stage, trainer.stage.scheme, trainer.stage.master.group
        config = trainer.config
        if "load" in scheme.sizes and scheme.load_option not in _given(config):
            config = replace(config, load=scheme.load)
        injected = trainer.setup.delay.injects
        log = trainer.log[-(len(stage.spans) - self._begin) :]
        spans = stage.spans[self._begin :]
        rest = [
            span - each.completion_time - each.weights_time - each.decode_time
            for span, each in zip(spans, log, strict=True)
        ]
        virtual = config.transport == "simulated"
        network = replace(
            self.network,
            set_up=0.0,
            distribution=self._handing_out,
            overhead=0.0 if virtual else max(float(np.median(rest)), 0.0),
        )
        hosts = tuple(group.transport.host_of(peer) for peer in group.members)
        cores = tuple(group.transport.cores_of(peer) for peer in group.members)
        per = unit_of_work(config, scheme.workers, injected)
        size = task_size(scheme, _sizes(trainer), injected) * float(scheme.work_by(per)[0])
        compute = float(np.median([each.compute_time for each in log])) / _tasks_of_a_message(stage)
        situation = Situation(
            config,
            Measurements(
                _times(trainer, self._begin, len(stage.spans)).scaled(1 / size),
                compute / size,
                network,
                self.speed,
                () if virtual else hosts,
                () if virtual else cores,
            ),
            tuple(w for w in range(scheme.workers) if w not in group.lost),
            float(np.mean(spans)),
            config.iterations - trainer.iteration,
            injected,
            self.free,
            _loads(trainer),
            self.given,
            None if scheme.exact else _products(trainer),
        )
        if not scheme.exact and situation.products is None:
            return None
        found = advise(situation, trainer.source)
        if found is None or not found.change:
            return None
        after = replace(config, **found.options)
        everybody = len(found.best.workers) == scheme.workers
        return Change(
            found.options,
            found.best.workers,
            everybody and same_shards(config, after),
            found.why,
            found.gain,
            found.cost,
            situation.seconds,
            found.best.seconds * situation.seconds / found.present.seconds,
            json.dumps({"adaptation": situation.to_json()}, allow_nan=False),
        )


def _sizes(trainer: Trainer) -> Sizes:
    return Sizes.of(trainer.source, trainer.setup.objective, trainer.config)


def _times(trainer: Trainer, first: int, end: int) -> TaskTimes:
    """Return arrival times of messages in some iterations of the stage in this process."""
    stage = trainer.stage
    rows = trainer.iteration - stage.first
    skipped = rows - len(stage.spans)
    finish: Floats = np.array(stage.master.log.read(rows)[skipped + first : skipped + end])
    if stage.scheme.dynamic:
        finish = in_order(finish)
    spans = np.array(stage.spans[first:end])
    last = np.nanmax(np.where(stage.scheme.expected, finish, np.nan), axis=2, initial=0.0)
    return TaskTimes(finish, stage.tasks_done, np.fmax(spans[:, None], last))


def _loads(trainer: Trainer) -> tuple[int, ...]:
    """Return the computation loads for which the delay model has enough tasks."""
    scheme, delay = trainer.stage.scheme, trainer.setup.delay
    blocks = trainer.config.blocks or scheme.workers
    size = scheme.workers * delay.share / blocks if delay.per == SHARE else 1.0
    found = []
    for load in range(1, min(scheme.blocks, max(LARGEST_LOAD, scheme.load)) + 1):
        try:
            delay.check(scheme.workers, np.arange(1.0, load + 1) * size)
        except UsageError:
            break
        found.append(load)
    return tuple(found)


def _given(config: RunConfig) -> set[str]:
    """Return the names of the scheme options that a configuration gives."""
    return {name for name, value in config.scheme_options.items() if value is not None}


def _tasks_of_a_message(stage: Stage) -> float:
    done = stage.tasks_done
    return float(np.diff(done, axis=1, prepend=0)[done > 0].mean())


def _products(trainer: Trainer) -> Floats | None:
    """Return the inner products of all block gradients, (N, N); None if N is too large."""
    problem, blocks = trainer.problem, trainer.stage.scheme.blocks
    if blocks > MOST_BLOCKS:
        return None
    gradients = block_gradients(problem, trainer.optimizer.point, blocks)
    products: Floats = gradients @ gradients.T
    return products


def block_gradients(problem: Problem, point: Floats, blocks: int) -> Floats:
    """Return the gradients of the objective on each of N blocks, of shape (N, p)."""
    source, partition = problem.source, Partition(problem.source.rows, blocks)
    found = np.zeros((blocks, problem.parameters))
    for block in range(blocks):
        first, end = partition.bounds(block)
        weights = None if source.weights is None else source.weights[first:end]
        found[block] = evaluation.gradient(
            problem.objective, *source.read(first, end), point, weights
        )
    return found
