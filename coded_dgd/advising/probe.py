"""A probe measures the cluster briefly: task times, messages, and handing out data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coded_dgd import delays, schemes
from coded_dgd.advising.dry_run import dry_run
from coded_dgd.advising.ping_pong import Messages, group_of_all, measure_messages
from coded_dgd.config import RunConfig
from coded_dgd.engine import kernels
from coded_dgd.engine.distribute import distribute
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Floats, Point
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import Interrupted, Undecodable, UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.preparation import labels
from coded_dgd.problems.sources import Source
from coded_dgd.schemes.base import Scheme

TASKS = 2
"""Number of tasks of a worker in an iteration; two show whether tasks share a duration."""
BUSY = 0.7
"""Maximum fraction of a task's time for which messages may keep the master's port busy."""
BEGIN = 100_000
"""Number of the first iteration, whose injected delays are others than those that a run begins
with, while lasting differences between workers, which the seed determines, are the same."""
WHOLE = 10
"""Number of iterations that also wait for the slowest: each for half of its part of the time."""
GLIMPSE = 1.5
"""Duration of later iterations, relative to the time by which half of the workers are done."""


@dataclass(frozen=True)
class Probe:
    """A probe holds the measurements. Times are in seconds."""

    finish: Floats
    """Time from beta_t's departure to each message, (iterations, M, J); nan if it was cut off."""
    done: NDArray[np.int64]
    """Number of tasks done when each message leaves, of shape (M, J)."""
    until: Floats
    """Time for which the probe waited, or would have waited, for each worker, (iterations, M); inf
    if all workers measured together have answered."""
    compute: float
    """Median computing time of a task."""
    messages: Messages
    """Times of messages."""
    distribution: float
    """Time for handing out blocks, per byte that workers hold."""
    overhead: float
    """Median time from the last message of an iteration to the next point."""
    hosts: tuple[str, ...]
    """Host of each worker."""
    cores: tuple[int, ...]
    """Number of cores available to each worker."""


def probe(
    config: RunConfig, transport: Transport, source: Source, iterations: int, seconds: float
) -> Probe:
    """Measure the peers of a transport, with real blocks and the delays of the configuration.

    At the end workers drop their shards of the probe, except for a row of zeros.

    Parameters
    ----------
    iterations : int
        Maximum number of iterations of `TASKS` tasks per worker. The first `WHOLE` show how slow
        slow workers are. The others, which are shorter, show how many workers are slow, and for
        how long.
    seconds : float
        Approximate limit for all iterations. Messages that arrive later are left out.

    Raises
    ------
    UsageError
        If injected delays do not cover all workers, or not the tasks of a worker.
    Undecodable
        If workers do not answer.
    Interrupted
        If the transport is interrupted.
    """
    workers = transport.workers - config.spare
    blocks = config.blocks or workers
    scheme = _scheme(config, workers, blocks)
    load = scheme.load
    objective = objectives.create(config.objective)
    parameters = labels.parameters(source, objective)
    short, messages = measure_messages(config, transport, parameters)
    real = dry_run(config, transport, parameters)
    more = max(real.completion - messages.gathering[1], 0.0)
    messages = messages._replace(
        gathering=(messages.gathering[0] + more, messages.gathering[1] + more)
    )
    begin = transport.clock()
    group = group_of_all(transport, scheme, Layout(parameters, dtype=config.dtype), real.code_id)
    # as in the run, as far as this is the same for all schemes
    group.kernel = kernels.choose(config, objective, source, scheme)
    group.loads = objective.overhead_seconds > 0
    distribute(source, group, replace(config, encode="master", share_blocks=False))
    short.all_answer()  # after they have their blocks
    handed_out = max(transport.clock() - begin - messages.set_up, 0.0)
    numbers = workers * load * -(-source.rows // blocks) * (source.features + 1)
    size = float(np.dtype(config.dtype).itemsize * numbers)

    finish, until, compute = _watch(group, iterations, seconds, messages.service[1])
    short.again(group.code_id, 1).all_answer()
    done = np.tile(np.arange(1, load + 1), (workers, 1))
    return Probe(
        finish,
        done,
        until,
        compute,
        messages,
        handed_out / size,
        real.between,
        tuple(transport.host_of(peer) for peer in range(workers)),
        tuple(transport.cores_of(peer) for peer in range(workers)),
    )


def _scheme(config: RunConfig, workers: int, blocks: int) -> Scheme:
    """Return a scheme with `TASKS` tasks per worker, or fewer where delays have no more."""
    delay = delays.create(config.delay, config.seed)
    load = -(-blocks // workers)
    least = schemes.create(schemes.PROBE, workers, blocks, load)
    usual = schemes.create(schemes.PROBE, workers, blocks, min(blocks, max(TASKS, load)))
    delay.check(workers, least.work_under(delay))
    try:
        delay.check(workers, usual.work_under(delay))
    except UsageError:
        return least
    return usual


def _watch(
    group: WorkerGroup, iterations: int, seconds: float, service: float
) -> tuple[Floats, Floats, float]:
    """Record when tasks end: return finish, until, and the computing time of a task.

    If messages would keep the master's port too busy, workers are measured in groups.
    """
    clock, scheme = group.transport.clock, group.scheme
    everyone = np.arange(scheme.workers)
    parts, computed = [everyone], list[float]()
    rows: list[tuple[Floats, Floats]] = []
    end, glimpse = clock() + seconds, np.inf
    for iteration in range(iterations):
        finish, until = np.full(scheme.expected.shape, np.nan), np.full(scheme.workers, np.inf)
        left = len(parts) * max(min(WHOLE, iterations) - iteration, 0)
        for number, part in enumerate(parts):
            rest = max(end - clock(), 0.0)
            limits = (rest / (2 * (left - number)), rest) if left else (min(glimpse, rest),) * 2
            waited = _ask(group, BEGIN + iteration, part, *limits, finish, computed)
            until[part] = waited if left else limits[0]
        rows.append((finish, until))
        if iteration == 0 and computed:
            size = _group_size(finish, service * scheme.messages)
            if size < scheme.workers:
                parts = np.array_split(everyone, -(-scheme.workers // size))
                rows.clear()  # these were measured at a busy port
        elif iteration == WHOLE - 1:
            glimpse = GLIMPSE * _half_done([times for times, _ in rows])
        if clock() >= end and rows:
            break
    if not computed:
        raise Undecodable(
            f"no worker has finished a task within {seconds:.2g} s: use more and smaller blocks "
            "with --blocks, or more workers"
        )
    times, limits = zip(*rows, strict=True)
    return np.array(times), np.array(limits), float(np.median(computed))


def _group_size(finish: Floats, busy: float) -> int:
    """Return how many workers to measure at once, if each keeps the port busy for `busy` s."""
    typical = float(np.nanmedian(finish[:, 0]))
    return max(1, int(BUSY * typical / busy)) if busy * len(finish) > typical else len(finish)


def _half_done(finish: list[Floats]) -> float:
    """Return the median time by which half of the workers had done all their tasks."""
    last = np.sort(np.max(finish, axis=2), axis=1)  # nan comes last
    half = last[:, (last.shape[1] - 1) // 2]
    return np.inf if np.isnan(half).all() else float(np.nanmedian(half))


def _ask(
    group: WorkerGroup,
    iteration: int,
    workers: NDArray[np.int64],
    limit: float,
    longest: float,
    finish: Floats,
    computed: list[float],
) -> float:
    """Send a point to some workers and record when their tasks end.

    Parameters
    ----------
    limit, longest : float
        Seconds to wait for the last workers, and for half of them.

    Returns
    -------
    float
        Seconds waited for the missing workers; inf if no worker is missing.
    """
    transport = group.transport
    left = transport.clock()
    point = Point(group.code_id, iteration, np.zeros(group.layout.parameters))
    transport.broadcast(point, [group.members[worker] for worker in workers])
    while True:
        lost = np.isin(workers, group.lost)
        missing = workers[np.isnan(finish[workers]).any(axis=1)]
        if transport.interrupted:
            raise Interrupted("stopped while the cluster was measured")
        if not missing.size:
            return np.inf
        end = left + (limit if 2 * len(missing) <= len(workers) else longest)
        if np.isin(missing, workers[lost]).all() or transport.clock() >= end:
            return transport.clock() - left
        incoming = group.receive_now(iteration, end)
        for key, time, seconds in zip(
            incoming.keys, incoming.times, incoming.compute_seconds, strict=True
        ):
            if key[0] in workers:  # not late ones, of another group
                finish[key] = time - left
                computed.append(seconds)
