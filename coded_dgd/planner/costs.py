"""This module predicts the cost of a scheme: an iteration, work done once, and data held."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from time import perf_counter

import numpy as np

from coded_dgd.config import RunConfig
from coded_dgd.delays.base import DelayModel
from coded_dgd.guard import GuardedDecoder, replay_messages
from coded_dgd.planner.measurements import Measurements, Network
from coded_dgd.planner.outcomes import with_messages
from coded_dgd.planner.port import Port
from coded_dgd.problems import evaluation, optimizers
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.sources import Source
from coded_dgd.schemes.base import Floats, Scheme
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.theory.monte_carlo import messages_used

REALISATIONS = 256
"""Number of Monte Carlo realisations."""
ROUNDS = 8
"""Maximum number of rounds for the backlog from one iteration to the next."""
SETTLED = 0.005
"""Relative change of completion times below which the backlog has converged."""
SEED = 0
"""Seed of the realisations, which are the same for every scheme."""


@dataclass(frozen=True)
class Sizes:
    """These are the sizes of the problem."""

    rows: int
    features: int
    sampled_rows: int
    """Number of rows of the sample to which stochastic schemes were fitted."""
    guard: float
    quadratic: bool = True
    """Whether the objective is least squares."""
    itemsize: int = 8
    """Bytes of a number on workers and in messages."""
    parameters: int = 0
    """Number of parameters of the model; by default one for each column."""
    vectors: int = 2
    """Number of vectors of that length that the optimizer keeps on rank 0."""
    overhead: float = 0.0
    """Bytes that the objective needs in each process besides the data."""
    share_blocks: bool = True
    """Whether workers of a host hold the blocks of which they would have copies together."""

    def __post_init__(self) -> None:
        if not self.parameters:
            object.__setattr__(self, "parameters", self.features)

    def payload(self, scheme: Scheme) -> int:
        """Return the number of payload numbers in a message."""
        return Layout(self.parameters, scheme.pieces).length

    @classmethod
    def of(
        cls,
        source: Source,
        objective: Objective,
        config: RunConfig,
        sampled_rows: int | None = None,
    ) -> Sizes:
        """Return the sizes of a run; by default schemes are fitted to all rows."""
        choice = optimizers.suiting(config.optimizer, quadratic=objective.degree == 2)
        return cls(
            source.rows,
            source.features,
            source.rows if sampled_rows is None else sampled_rows,
            config.guard,
            is_least_squares(objective),
            np.dtype(config.dtype).itemsize,
            evaluation.size(objective, source.features),
            choice.vectors,
            objective.overhead_bytes,
            config.share_blocks,
        )


@dataclass(frozen=True)
class IterationCost:
    """This is the mean cost of one iteration. Times are in seconds."""

    completion: float
    """Time from beta_t's departure until decodable; it includes everything below but decoding."""
    standard_error: float
    """Standard error of `completion`."""
    ideal: float
    """Completion time if messages took no time and the guard never waited."""
    communication: float
    """Time that messages add: latency, and waiting at the master's port."""
    guard: float
    """Time that the guard waits for further messages."""
    weights: float
    """Time for computing the weights."""
    decode: float
    """Time for the weighted sum of the payloads."""
    overhead: float
    """Time of the master between iterations, without decoding."""
    messages: float
    """Number of messages used: the communication load."""
    bytes: float
    """Number of bytes received in these messages."""
    drawn: Floats | None = field(default=None, repr=False, compare=False)
    """Completion times of the realisations, which are the same for all schemes, without the guard;
    None if they are others, as for dynamic schemes."""
    cancelled: float = 0.0
    """Time from the completion until all workers would have done all tasks, if none was cancelled;
    0 for dynamic schemes, which have few such tasks."""

    @property
    def total(self) -> float:
        """Time from one beta_t to the next."""
        return self.completion + self.weights + self.decode + self.overhead


def iteration(
    scheme: Scheme,
    delay: DelayModel,
    measured: Measurements,
    sizes: Sizes,
    *,
    injected: bool,
    held_up: float | None = None,
    realisations: int = REALISATIONS,
    replays: int = 4,
) -> IterationCost:
    """Predict one iteration by Monte Carlo.

    Parameters
    ----------
    delay : DelayModel
        Delays of tasks that are 1/N of a gradient.
    injected : bool
        Whether durations are injected and depend on the number of tasks alone, not on their work.
    held_up : float, optional
        How far the tasks of other workers delay the first ones on shared cores; see
        `contention.share_cores`.
    replays : int
        Number of realisations that are decoded under the guard.
    """
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(8,)))
    length = sizes.payload(scheme)
    per_row = scheme.messages > 1 and blocks_are_rows(scheme, sizes)
    stands_for = sizes.rows / sizes.sampled_rows if per_row else 1.0
    network, sums = measured.network, scheme.combines(sizes.itemsize * length)
    sent = 1 if sums else length
    service = stands_for * network.service_of(sent)
    wave = 0.0 if held_up is None else scheme.workers * service
    if isinstance(scheme, DynamicScheme):
        first, real, error = with_messages(
            scheme, delay, rng, realisations, network, sent, held_up, wave
        )
        ideal, completion = first.completion, real.completion
        times = np.where(first.arrived, 0.0, inf)
        done = np.isfinite(completion)
        used = real.arrived[done].sum(axis=(1, 2)).mean() if done.any() else inf
        if sums:  # which are asked for when every block is done
            used = scheme.workers
            completion = completion + network.latency_of(length)
            completion += (used - 1) * network.service_of(length)
        cancelled = 0.0
    else:
        work = scheme.message_work(delay) * task_size(scheme, sizes, injected)
        work = work + (held_up or 0.0) * (work.max() - work)
        times = delay.sample(rng, realisations, scheme.workers, work)
        times[:, ~scheme.expected] = inf
        ideal = scheme.completion_time(times)
        arrived, completion = _taken_in(scheme, times, network, length, service, wave)
        done = np.isfinite(completion)
        used = messages_used(scheme, arrived[done], completion[done]).mean() if done.any() else inf
        error = (float(completion.std()) if done.all() else inf) / sqrt(realisations)
        last = np.where(np.isfinite(arrived), arrived, 0.0).max(axis=(1, 2))
        cancelled = float((last - completion)[done].mean()) if done.any() else 0.0
    waiting, weights = _guarded(scheme, times[:replays], ideal[:replays], sizes.guard)
    flops = 2 * used * length * scheme.pieces
    return IterationCost(
        completion=float(completion.mean()) + waiting,
        standard_error=error,
        ideal=float(ideal.mean()),
        communication=float((completion - ideal).mean()) if done.all() else inf,
        guard=waiting,
        weights=weights,
        decode=float(flops) * measured.speed.products,
        overhead=network.overhead,
        messages=float(used) * stands_for,
        bytes=float(used) * stands_for * sizes.itemsize * length,
        drawn=None if isinstance(scheme, DynamicScheme) else completion,
        cancelled=cancelled,
    )


def _taken_in(
    scheme: Scheme, times: Floats, network: Network, length: int, service: float, wave: float
) -> tuple[Floats, Floats]:
    """Return the arrival times of messages and the instants at which they suffice.

    Messages that are at the port when the iteration is decodable, or leave before the next point
    has arrived, are received before messages of the next iteration. The realisations are treated as
    consecutive iterations.

    Parameters
    ----------
    service : float
        Seconds that the port is busy with a message.
    wave : float
        Seconds that shared cores need for one message of every worker, before any worker's next
        message; 0 if cores are not shared. Workers on shared cores notice the next point at once.
    """
    latency = network.latency_of(length)  # of a message that does not wait at the port
    sent = times + max(latency - network.service_of(length), 0.0)
    sent += wave * np.arange(scheme.messages)
    if not service:
        return sent, scheme.completion_time(sent)
    unaware = 0.0 if wave else latency / 2
    port = Port(sent, service)
    backlog, completion = port.first, np.full(len(times), np.nan)
    for _ in range(ROUNDS):
        arrived = port.received(backlog)
        before, completion = completion, scheme.completion_time(arrived)
        if not np.isfinite(completion).all():
            break
        if abs(completion.mean() / before.mean() - 1) < SETTLED:
            break
        leaves = completion + network.overhead
        left = np.roll(port.free(leaves + unaware) - leaves, 1)
        busy = np.maximum(left, port.first)
        if (busy == backlog).all():
            break
        backlog = busy
    return arrived, completion


def block_rows(scheme: Scheme, sizes: Sizes) -> float:
    """Return the rows of a block; for blocks of one sample row, the rows that it represents."""
    if scheme.of_gram_matrix:
        return -(-sizes.features // scheme.blocks)
    if blocks_are_rows(scheme, sizes):
        return sizes.rows / sizes.sampled_rows
    return -(-sizes.rows // scheme.blocks)


def blocks_are_rows(scheme: Scheme, sizes: Sizes) -> bool:
    """Return whether every row is a block, as in the stochastic family."""
    return scheme.data_dependent and scheme.blocks == sizes.sampled_rows


def task_size(scheme: Scheme, sizes: Sizes, injected: bool) -> float:
    """Return the computation of a task, relative to the gradient of a block of X."""
    if scheme.of_gram_matrix and not injected:
        return sizes.features / (2 * sizes.rows)
    return 1.0


def _guarded(scheme: Scheme, times: Floats, first: Floats, guard: float) -> tuple[float, float]:
    """Return mean seconds that the guard waits, and for weights; inf if nothing ever decodes."""
    if not scheme.amplifies:
        return (0.0, _weighing(scheme, times, first)) if np.isfinite(first).any() else (inf, 0.0)
    decoder = GuardedDecoder(scheme, guard)
    waiting, weights = [], []
    for each, ideal in zip(times, first, strict=True):
        if isfinite(ideal):
            done = replay_messages(decoder, each).completion_time
            waiting.append(max(done - ideal, 0.0))
            weights.append(decoder.weights_time)
    if not waiting:
        return inf, 0.0
    return float(np.mean(waiting)), float(np.median(weights))


def _weighing(scheme: Scheme, times: Floats, complete: Floats) -> float:
    """Return the seconds for the weights of a scheme for which the guard never waits."""
    seconds = []
    for pattern in times <= complete[:, None, None]:
        begin = perf_counter()
        scheme.weights(pattern)
        seconds.append(perf_counter() - begin)
    return float(np.median(seconds))


@dataclass(frozen=True)
class Once:
    """This is the cost of work before the first iteration. Times are in seconds."""

    encoding: float
    distribution: float
    data: float
    """Number of bytes that all workers hold together."""

    @property
    def total(self) -> float:
        """Time of encoding and distribution."""
        return self.encoding + self.distribution


def once(scheme: Scheme, measured: Measurements, sizes: Sizes) -> Once:
    """Predict the cost of encoding and handing out the data."""
    rows = _rows_held(scheme, sizes)
    flops = 2.0 * rows * scheme.blocks * sizes.features if scheme.coded else 0.0
    if scheme.of_gram_matrix:
        flops += 2.0 * sizes.rows * sizes.features**2
    data = bytes_held(scheme, sizes)
    return Once(
        flops * measured.speed.encoding,
        measured.network.set_up + data * measured.network.distribution,
        data,
    )


def bytes_held(scheme: Scheme, sizes: Sizes) -> float:
    """Return the bytes of data that all workers hold together."""
    return sizes.itemsize * _rows_held(scheme, sizes) * (sizes.features + (not scheme.coded))


def _rows_held(scheme: Scheme, sizes: Sizes) -> float:
    tasks = sum(scheme.tasks(worker) for worker in range(scheme.workers))
    return tasks * block_rows(scheme, sizes)
