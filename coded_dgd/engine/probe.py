"""A short measurement of the cluster: task times of every worker, messages, handing out data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import kernels
from coded_dgd.engine.crew import Crew, Message
from coded_dgd.engine.distribute import distribute
from coded_dgd.engine.protocol import Floats, Plan, Point
from coded_dgd.engine.rehearsal import rehearse
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import Interrupted, Undecodable
from coded_dgd.problems import objectives
from coded_dgd.problems.sources import Source
from coded_dgd.schemes.base import Scheme

TASKS = 2
"""Tasks of a worker in an iteration: two tell whether they share a duration."""
ROUNDS = 7
"""Times that messages of each length are sent by everybody at once, and by one after the other."""
MOST_ROUNDS, LITTLE = 100, 0.1
"""Times that all are asked for one answer, at most, and seconds that it may take more often."""
BURST = 8
"""Messages that a worker sends one after the other when it takes no work."""
ALONE = 8
"""Workers that are also asked alone."""
BUSY = 0.7
"""Part of a task's time that the port may be busy with all messages of those that are asked."""
PATIENCE = 5.0
"""Seconds to wait for an answer that takes no work."""
WHOLE = 10
"""Iterations in which also the slowest are waited for: each half of its share of the time."""
GLIMPSE = 1.5
"""How long the others are watched, in times that half of the workers took for all their tasks."""


class Messages(NamedTuple):
    """What messages take. Times in seconds."""

    lengths: tuple[int, int]
    """Numbers in the messages of the next two."""
    latency: tuple[float, float]
    """A point leaves -> the answer of one idle worker is here."""
    service: tuple[float, float]
    """Between one answer and the next where all workers answer at once."""
    set_up: float
    """Handing out a plan and next to no data."""
    gathering: tuple[float, float]
    """A point leaves to all idle workers -> each has answered, once; of a `Probe`, in a real
    iteration (`engine.rehearsal`)."""


@dataclass(frozen=True)
class Probe:
    """What has been measured. Times in seconds."""

    finish: Floats
    """(iterations, M, J): beta_t leaves -> the message is here; nan where it was not waited for."""
    done: NDArray[np.int64]
    """(M, J): tasks done by then."""
    until: Floats
    """(iterations, M): how long a worker was waited for, or would have been; inf where all who were
    asked together were waited for."""
    compute: float
    """What a task computed, median."""
    messages: Messages
    distribution: float
    """Handing out blocks: per byte that workers hold."""
    overhead: float
    """Between the last message of an iteration and the next point, median."""
    hosts: tuple[str, ...]
    """Of the workers."""
    cores: tuple[int, ...]
    """That each of them may use."""


def probe(
    config: RunConfig, transport: Transport, source: Source, iterations: int, seconds: float
) -> Probe:
    """Measure the peers of a transport, with real blocks and the delays of the configuration.

    What workers were given for it they drop at the end, a row of zeros aside.

    Parameters
    ----------
    iterations : int
        Iterations of `TASKS` tasks per worker, at most. The first `WHOLE` tell how slow the slow
        ones are, the others, which take less time, how many they are and how long they stay so.
    seconds : float
        About what these may take; what has not come by then is left out.

    Raises
    ------
    Undecodable
        If workers do not answer.
    Interrupted
        If the transport is interrupted.
    """
    workers = transport.workers - config.spare
    blocks = config.blocks or workers
    load = min(blocks, max(TASKS, -(-blocks // workers)))
    scheme = schemes.create("uc-mmc", workers, blocks, load)
    short, messages = _probe_messages(config, transport, source.features)
    real = rehearse(config, transport, source.features)
    more = max(real.completion - messages.gathering[1], 0.0)
    messages = messages._replace(
        gathering=(messages.gathering[0] + more, messages.gathering[1] + more)
    )
    begin = transport.clock()
    crew = _crew(transport, scheme, source.features, real.lane)
    # as in the run, as far as that can be said of all schemes
    crew.kernel = kernels.choose(config, objectives.create(config.objective), source, scheme)
    # delays like those of the run, but not the same
    distribute(
        source, crew, replace(config, seed=config.seed + 1, encode="master", share_blocks=False)
    )
    short.all_answer()  # after they have their blocks
    handed_out = max(transport.clock() - begin - messages.set_up, 0.0)
    numbers = workers * load * -(-source.rows // blocks) * (source.features + 1)
    size = float(np.dtype(config.dtype).itemsize * numbers)

    finish, until, compute = _watch(crew, iterations, seconds, messages.service[1])
    short.again(crew.lane, 1).all_answer()
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


def probe_messages(config: RunConfig, transport: Transport, features: int) -> Messages:
    """Measure what messages take, with workers that have no work; see `probe`."""
    return _probe_messages(config, transport, features)[1]


def _probe_messages(
    config: RunConfig, transport: Transport, features: int
) -> tuple[_Echo, Messages]:
    """Measure messages; also return a lane on which workers answer at once."""
    short = _Echo(transport, features, config, False)
    begin = transport.clock()
    full = _Echo(transport, features, config, True)
    set_up = transport.clock() - begin  # the second time: what has to be imported is there
    latency = short.alone(), full.alone()
    service = short.together(), full.together()
    once = short.again(short.crew.lane, 1), full.again(full.crew.lane, 1)
    gathering = once[0].gathering(), once[1].gathering()
    return once[0], Messages((1, features), latency, service, set_up, gathering)


def _crew(transport: Transport, scheme: Scheme, payload: int, replaces: int | None = None) -> Crew:
    members = list(range(scheme.workers))
    return Crew(transport, scheme, transport.new_lane(), members, list(members), payload, replaces)


def _watch(
    crew: Crew, iterations: int, seconds: float, service: float
) -> tuple[Floats, Floats, float]:
    """Take down when tasks end: finish, until, and what a task computes.

    Where so many messages at once keep the master's port busy, workers are asked in groups.
    """
    clock, scheme = crew.transport.clock, crew.scheme
    everyone = np.arange(scheme.workers)
    groups, computed = [everyone], list[float]()
    rows: list[tuple[Floats, Floats]] = []
    end, glimpse = clock() + seconds, np.inf
    for iteration in range(iterations):
        finish, until = np.full(scheme.expected.shape, np.nan), np.full(scheme.workers, np.inf)
        left = len(groups) * max(min(WHOLE, iterations) - iteration, 0)
        for number, group in enumerate(groups):
            rest = max(end - clock(), 0.0)
            limits = (rest / (2 * (left - number)), rest) if left else (min(glimpse, rest),) * 2
            waited = _ask(crew, iteration, group, *limits, finish, computed)
            until[group] = waited if left else limits[0]
        rows.append((finish, until))
        if iteration == 0 and computed:
            size = _group_size(finish, service * scheme.messages)
            if size < scheme.workers:
                groups = np.array_split(everyone, -(-scheme.workers // size))
                rows.clear()  # at a busy port
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
    """How many workers may be asked at once, if each keeps the port busy for so long."""
    typical = float(np.nanmedian(finish[:, 0]))
    return max(1, int(BUSY * typical / busy)) if busy * len(finish) > typical else len(finish)


def _half_done(finish: list[Floats]) -> float:
    """When half of the workers had done all their tasks, median of some iterations."""
    last = np.sort(np.max(finish, axis=2), axis=1)  # nan comes last
    half = last[:, (last.shape[1] - 1) // 2]
    return np.inf if np.isnan(half).all() else float(np.nanmedian(half))


def _ask(
    crew: Crew,
    iteration: int,
    workers: NDArray[np.int64],
    limit: float,
    longest: float,
    finish: Floats,
    computed: list[float],
) -> float:
    """Ask some workers and write when their tasks end.

    Parameters
    ----------
    limit, longest : float
        Seconds to wait for the last ones, and for half of them.

    Returns
    -------
    float
        How long was waited for those that are missing; inf where none is.
    """
    transport = crew.transport
    left = transport.clock()
    point = Point(crew.lane, iteration, np.zeros(crew.payload))
    transport.broadcast(point, [crew.members[worker] for worker in workers])
    while True:
        lost = np.isin(workers, crew.lost)
        missing = workers[np.isnan(finish[workers]).any(axis=1)]
        if transport.interrupted:
            raise Interrupted("stopped while the cluster was measured")
        if not missing.size:
            return np.inf
        end = left + (limit if 2 * len(missing) <= len(workers) else longest)
        if np.isin(missing, workers[lost]).all() or transport.clock() >= end:
            return transport.clock() - left
        for arrived in crew.receive(iteration, end):
            if not isinstance(arrived, Message) or arrived.result.iteration != iteration:
                continue
            if arrived.worker in workers:  # not late ones, of another group
                result = arrived.result
                finish[arrived.worker, result.message] = result.time - left
                computed.append(result.compute_seconds)


class _Echo:
    """A lane on which workers answer at once, several times: products with rows of zeros."""

    def __init__(
        self,
        transport: Transport,
        features: int,
        config: RunConfig,
        whole: bool,
        answers: int = BURST,
        replaces: int | None = None,
    ) -> None:
        self._transport, self._config, self._iteration = transport, config, 0
        self._beta, self._whole, self._answers = np.zeros(features), whole, answers
        workers = transport.workers - config.spare
        scheme = schemes.create("uc-mmc", workers, max(workers, answers), answers)
        self.crew = _crew(transport, scheme, features if whole else 1, replaces)
        for worker, peer in enumerate(self.crew.members):
            plan = Plan(
                lane=self.crew.lane,
                replaces=replaces,
                worker=worker,
                tasks=answers,
                height=1,
                features=features,
                labels=False,
                ends=tuple(range(1, answers + 1)),
                coefficients=None,
                unit=1.0,
                product=not whole,
                objective=config.objective,
                delay="none",
                seed=config.seed,
                dtype=config.dtype,
            )
            transport.plan(peer, plan)
            transport.piece(peer, 0, np.zeros((answers, 1, features), config.dtype), None)
        self.all_answer()

    def again(self, replaces: int, answers: int) -> _Echo:
        """Return another such lane in the place of one that is done with."""
        features = len(self._beta)
        return _Echo(self._transport, features, self._config, self._whole, answers, replaces)

    def alone(self) -> float:
        """Seconds that one worker takes to answer, median."""
        some = self.crew.members[:ALONE]
        return float(np.median([self._ask([peer])[0] for peer in some * ROUNDS]))

    def together(self) -> float:
        """Seconds between two answers of many, median."""
        spans = []
        for _ in range(ROUNDS):
            answers = self._ask(self.crew.members)
            spans.append((answers[-1] - answers[0]) / max(1, len(answers) - 1))
        return float(np.median(spans))

    def gathering(self) -> float:
        """Seconds until all have answered, median."""
        seconds = list[float]()
        while len(seconds) < ROUNDS or (len(seconds) < MOST_ROUNDS and sum(seconds) < LITTLE):
            seconds.append(self._ask(self.crew.members)[-1])
        return float(np.median(seconds))

    def all_answer(self) -> None:
        """Wait until everybody has answered."""
        self._ask(self.crew.members, np.inf)

    def _ask(self, peers: Iterable[int], patience: float = PATIENCE) -> list[float]:
        """Seconds until each answer, in order, when they all are here."""
        clock, lost = self._transport.clock, self._transport.lost
        missing, answers = dict.fromkeys(peers, self._answers), []
        left = clock()
        self._transport.broadcast(Point(self.crew.lane, self._iteration, self._beta), missing)
        while missing := {peer: n for peer, n in missing.items() if n and peer not in lost}:
            for arrived in self.crew.receive(self._iteration, left + patience):
                if isinstance(arrived, Message) and arrived.result.iteration == self._iteration:
                    missing[arrived.result.peer] -= 1
                    answers.append(arrived.result.time - left)
            if self._transport.interrupted:
                raise Interrupted("stopped while the cluster was measured")
            if clock() >= left + patience:
                raise Undecodable(f"{len(missing)} workers do not answer within {patience:g} s")
        self._iteration += 1
        if not answers:
            raise Undecodable("all workers are lost")
        return answers
