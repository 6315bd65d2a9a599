"""What a scheme will cost: an iteration, what is done once, and memory."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.guard import GuardedDecoder, replay_messages
from coded_dgd.planner.measurements import Measurements
from coded_dgd.schemes.base import Floats, Scheme
from coded_dgd.theory.monte_carlo import messages_used

REALISATIONS = 256
SEED = 0
"""The same realisations for every scheme."""


@dataclass(frozen=True)
class Sizes:
    """Of the problem."""

    rows: int
    features: int
    sampled_rows: int
    """Rows of those data that stochastic schemes were fitted to."""
    guard: float
    quadratic: bool = True
    """Whether the objective is least squares."""


@dataclass(frozen=True)
class Iteration:
    """One iteration, on average. Times in seconds."""

    completion: float
    """beta_t leaves -> decodable, everything below but the decoding included."""
    standard_error: float
    ideal: float
    """The same if messages took no time and decoding never had to wait."""
    communication: float
    """What messages add: latency, and the master's port."""
    guard: float
    """What the guard waits for."""
    weights: float
    decode: float
    overhead: float
    """Of the master."""
    messages: float
    """Used, until it is decodable."""
    bytes: float
    """Received in them."""

    @property
    def total(self) -> float:
        """From one beta_t to the next."""
        return self.completion + self.weights + self.decode + self.overhead


def iteration(
    scheme: Scheme,
    delay: DelayModel,
    measured: Measurements,
    sizes: Sizes,
    *,
    injected: bool,
    realisations: int = REALISATIONS,
    replays: int = 4,
) -> Iteration:
    """Predict one iteration by Monte Carlo.

    Parameters
    ----------
    delay : DelayModel
        Of tasks that are 1/N of a gradient.
    injected : bool
        Whether the durations are those of a delay model that counts tasks, whatever they compute.
    replays : int
        Realisations that are decoded under the guard.
    """
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(8,)))
    work = scheme.message_work * _task_size(scheme, sizes, injected)
    times = delay.sample(rng, realisations, scheme.workers, work)
    times[:, ~scheme.expected] = inf
    ideal = scheme.completion_time(times)
    length = scheme.payload(sizes.features)
    per_row = scheme.messages > 1 and blocks_are_rows(scheme, sizes)
    stands_for = sizes.rows / sizes.sampled_rows if per_row else 1.0
    arrived = received(
        times + measured.network.latency_of(length),
        stands_for * measured.network.service_of(length),
    )
    completion = scheme.completion_time(arrived)
    done = np.isfinite(completion)
    used = messages_used(scheme, arrived[done], completion[done]).mean() if done.any() else inf
    waiting, weights = _guarded(scheme, times[:replays], ideal[:replays], sizes.guard)
    spread = completion.std() if done.all() else inf
    flops = 2 * used * length * scheme.pieces
    return Iteration(
        completion=float(completion.mean()) + waiting,
        standard_error=float(spread) / sqrt(realisations),
        ideal=float(ideal.mean()),
        communication=float((completion - ideal).mean()) if done.all() else inf,
        guard=waiting,
        weights=weights,
        decode=float(flops) * measured.speed.products,
        overhead=measured.network.overhead,
        messages=float(used) * stands_for,
        bytes=float(used) * stands_for * 8 * length,
    )


def received(times: Floats, service: float) -> Floats:
    """When the master's port has taken in each message: one at a time, in the order of arrival.

    Parameters
    ----------
    times : (realisations, M, J) array
        When they get there, inf for never.
    service : float
        Seconds that each takes.
    """
    if not service:
        return times
    flat = times.reshape(len(times), -1)
    order = np.argsort(flat, axis=1)
    number = np.arange(flat.shape[1])
    begun = np.maximum.accumulate(np.take_along_axis(flat, order, 1) - service * number, axis=1)
    done = np.empty_like(flat)
    np.put_along_axis(done, order, begun + service * (number + 1), 1)
    return done.reshape(times.shape)


def block_rows(scheme: Scheme, sizes: Sizes) -> float:
    """Rows of a block; where blocks are the rows of a sample, how many each stands for."""
    if scheme.gram:
        return -(-sizes.features // scheme.blocks)
    if blocks_are_rows(scheme, sizes):
        return sizes.rows / sizes.sampled_rows
    return -(-sizes.rows // scheme.blocks)


def blocks_are_rows(scheme: Scheme, sizes: Sizes) -> bool:
    """Whether every row is a block, as in the stochastic family."""
    return scheme.data_dependent and scheme.blocks == sizes.sampled_rows


def _task_size(scheme: Scheme, sizes: Sizes, injected: bool) -> float:
    """Computation of a task, in tasks that are the gradient of a block of X."""
    if scheme.gram and not injected:
        return sizes.features / (2 * sizes.rows)
    return 1.0


def _guarded(scheme: Scheme, times: Floats, first: Floats, guard: float) -> tuple[float, float]:
    """Expected waiting of the guard, and seconds that the weights take; inf if it never decodes."""
    decoder = GuardedDecoder(copy.deepcopy(scheme), guard)
    waiting, weights = [], []
    for each, ideal in zip(times, first, strict=True):
        if isfinite(ideal):
            done = replay_messages(decoder, each).completion_time
            waiting.append(max(done - ideal, 0.0))
            weights.append(decoder.weights_time)
    if not waiting:
        return inf, 0.0
    return float(np.mean(waiting)) if scheme.amplifies else 0.0, float(np.median(weights))


@dataclass(frozen=True)
class Once:
    """What is done before the first iteration. Times in seconds."""

    encoding: float
    distribution: float
    data: float
    """Bytes that all workers hold together."""

    @property
    def total(self) -> float:
        return self.encoding + self.distribution


def once(scheme: Scheme, measured: Measurements, sizes: Sizes) -> Once:
    """Predict encoding and handing out."""
    tasks = sum(scheme.tasks(worker) for worker in range(scheme.workers))
    height = block_rows(scheme, sizes)
    flops = 2.0 * tasks * scheme.blocks * height * sizes.features if scheme.coded else 0.0
    if scheme.gram:
        flops += 2.0 * sizes.rows * sizes.features**2
    data = 8.0 * tasks * height * (sizes.features + (not scheme.coded))
    return Once(
        flops * measured.speed.encoding,
        measured.network.set_up + data * measured.network.distribution,
        data,
    )
