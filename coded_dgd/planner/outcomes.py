"""Iterations of a scheme are drawn to see when each completes, and by which messages."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, inf, sqrt
from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.guard import Replayed
from coded_dgd.planner.measurements import Network
from coded_dgd.planner.observations import Bools, Floats
from coded_dgd.scheduling.scheduler import decision_seconds
from coded_dgd.scheduling.virtual import WARM_UP, VirtualWorkers
from coded_dgd.schemes.base import Scheme
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.theory.monte_carlo import affordable
from coded_dgd.theory.perfect_split import split_times

TIME = 3
"""Time for the replay of a dynamic scheme, as a multiple of that for most schemes."""
SPLITS = 2**22
"""Number of finish times, at most, from which the mean of work split by speed is found."""
TIE = 1e-12
"""Relative difference by which messages of one instant come in some order, as rank 0 receives them
one by one."""


class Outcomes(NamedTuple):
    """This tuple holds iterations in which messages take no time, or a given one."""

    completion: Floats
    """Completion times in seconds, of shape (realisations,); inf for never."""
    arrived: Bools
    """Marks of the messages that have arrived by then, of shape (realisations, M, J)."""


class Costed(NamedTuple):
    """This tuple holds the same iterations without and with the time that messages take."""

    ideal: Outcomes
    real: Outcomes
    standard_error: float
    """Standard error of the mean of the completion times with messages, in seconds."""


def outcomes(
    scheme: Scheme,
    delay: DelayModel,
    rng: np.random.Generator,
    realisations: int,
    without_one: bool = False,
) -> Outcomes:
    """Draw realisations of an iteration in which messages take no time.

    Parameters
    ----------
    realisations : int
        Number of realisations; of a dynamic scheme there are as many as `replays` says.
    without_one : bool
        Whether one worker, each in turn, sends nothing.
    """
    if isinstance(scheme, DynamicScheme):
        count = replays(scheme, realisations)
        finish = consecutive(scheme, delay, rng, count, scheme.work_under(delay))
        silent = [k * scheme.workers // count for k in range(count)] if without_one else ()
        return replayed(scheme, VirtualWorkers(scheme).run_settled(finish, silent))
    times = delay.sample(rng, realisations, scheme.workers, scheme.message_work(delay))
    times *= 1 + TIE * rng.random((realisations, scheme.workers, 1))
    times[:, ~scheme.expected] = inf
    if without_one:
        times[np.arange(realisations), np.arange(realisations) % scheme.workers] = inf
    completion = scheme.completion_time(times)
    return Outcomes(completion, times <= completion[:, None, None])


def with_messages(
    scheme: DynamicScheme,
    delay: DelayModel,
    rng: np.random.Generator,
    realisations: int,
    network: Network,
    length: int,
    held_up: float | None = None,
    wave: float = 0.0,
) -> Costed:
    """Return the outcomes of iterations if messages take no time, and if they take their time.

    A worker takes note of beta_t and of words as late as rank 0 of results. So a result arrives
    after the whole latency, and words at once, relative to a worker that has had beta_t at once.
    Rank 0 receives results one at a time, and decides after each of them.

    Replays are few. Completion times go up and down with the time of work split perfectly by speed,
    whose mean is found from many more draws. So they are corrected by the ratio of its means (a
    ratio estimator).

    Parameters
    ----------
    realisations : int
        As in `outcomes`.
    length : int
        Numbers in a message.
    held_up : float, optional
        How far the tasks of other workers delay the first own ones on shared cores; see
        `contention.share_cores`.
    wave : float
        Seconds that shared cores need for one message of every worker.
    """
    work = scheme.work_under(delay)
    own = work[0] * scheme.blocks / scheme.workers
    work = work + (held_up or 0.0) * np.maximum(own - work, 0.0)
    finish = consecutive(scheme, delay, rng, replays(scheme, realisations), work)
    expected = splits(scheme, delay, rng, realisations, work)
    ideal = real = replayed(scheme, VirtualWorkers(scheme).run_settled(finish))
    latency, service = network.latency_of(length), network.service_of(length)
    if latency or service:
        workers = VirtualWorkers(
            scheme,
            message=max(latency - service, 0.0),
            service=service + decision_seconds(scheme),
        )
        real = replayed(scheme, workers.run_settled(finish + wave * np.arange(len(work))))
    split = split_times(finish[WARM_UP:], scheme.blocks)
    if not (np.isfinite(expected).all() and np.isfinite(real.completion).all()):
        return Costed(ideal, real, inf)
    rest = real.completion - split * real.completion.mean() / split.mean()
    ratio = float(expected.mean() / split.mean())
    error = hypot(
        float(rest.std()) / sqrt(len(rest)),
        float(expected.std() * real.completion.mean() / split.mean()) / sqrt(len(expected)),
    )
    return Costed(_times(ideal, ratio), _times(real, ratio), error)


def splits(
    scheme: DynamicScheme,
    delay: DelayModel,
    rng: np.random.Generator,
    realisations: int,
    work: Floats,
) -> Floats:
    """Return times of work split perfectly by speed, with at most r tasks of a worker."""
    count = min(max(SPLITS // (scheme.workers * len(work)), 2), realisations)
    return split_times(delay.sample(rng, count, scheme.workers, work), scheme.blocks)


def _times(found: Outcomes, ratio: float) -> Outcomes:
    return found._replace(completion=ratio * found.completion)


def replays(scheme: DynamicScheme, realisations: int) -> int:
    """Return the number of replays in the place of a number of realisations of most schemes."""
    return affordable(scheme, TIME * realisations)


def consecutive(
    scheme: DynamicScheme, delay: DelayModel, rng: np.random.Generator, count: int, work: Floats
) -> Floats:
    """Return finish times (WARM_UP + count, M, r) of tasks that a worker does one by one."""
    return delay.consecutive(rng, WARM_UP + count, scheme.workers, work)


def replayed(scheme: DynamicScheme, iterations: Sequence[Replayed]) -> Outcomes:
    """Return the outcomes of iterations that have been replayed by events."""
    arrived = np.zeros((len(iterations), *scheme.expected.shape), dtype=np.bool_)
    for marks, each in zip(arrived, iterations, strict=True):
        for worker, message in each.order:
            marks[worker, message] = True
    return Outcomes(np.array([each.completion_time for each in iterations]), arrived)
