"""A ping-pong measures the time of messages: workers answer at once, without computing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Assignment, Point
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import Interrupted, Undecodable
from coded_dgd.problems.layout import Layout
from coded_dgd.schemes.base import Scheme

ROUNDS = 7
"""Number of rounds for each message length, with all workers at once and with single ones."""
MOST_ROUNDS, LITTLE = 100, 0.1
"""Maximum number of gathering rounds, and seconds after which `ROUNDS` of them are enough."""
BURST = 8
"""Number of messages that a worker sends in sequence for each point."""
ALONE = 8
"""Maximum number of workers that are also measured alone."""
PATIENCE = 5.0
"""Seconds to wait for an answer without computing."""


class Messages(NamedTuple):
    """This tuple holds the times of messages in seconds."""

    lengths: tuple[int, int]
    """Message lengths, in numbers, for which the other pairs were measured."""
    latency: tuple[float, float]
    """Time from a point's departure to the arrival of one idle worker's answer."""
    service: tuple[float, float]
    """Time between two answers when all workers answer at once."""
    set_up: float
    """Time for sending all assignments with next to no data."""
    gathering: tuple[float, float]
    """Time from a point's departure to all idle workers until each has answered once. In a `Probe`
    it includes the overhead of real iterations (`advising.dry_run`)."""


def measure_messages(
    config: RunConfig, transport: Transport, parameters: int
) -> tuple[PingPong, Messages]:
    """Measure the times of messages; also return a ping-pong whose workers answer at once.

    Raises
    ------
    Undecodable
        If workers do not answer.
    Interrupted
        If the transport is interrupted.
    """
    short = PingPong(transport, parameters, config, False)
    begin = transport.clock()
    full = PingPong(transport, parameters, config, True)
    set_up = transport.clock() - begin  # the second time, when workers have finished their imports
    latency = short.alone(), full.alone()
    service = short.together(), full.together()
    once = short.again(short.group.code_id, 1), full.again(full.group.code_id, 1)
    gathering = once[0].gathering(), once[1].gathering()
    return once[0], Messages((1, parameters), latency, service, set_up, gathering)


def group_of_all(
    transport: Transport, scheme: Scheme, layout: Layout, replaces: int | None = None
) -> WorkerGroup:
    """Return a group of the first peers with a new code id; see `WorkerGroup`."""
    members = list(range(scheme.workers))
    return WorkerGroup(
        transport, scheme, transport.new_code(), members, list(members), layout, replaces
    )


class PingPong:
    """A ping-pong is a code whose workers answer at once, with products with rows of zeros.

    Parameters
    ----------
    transport : Transport
        Transport to the workers.
    parameters : int
        Length of the point.
    config : RunConfig
        Configuration, of which spare workers, seed and dtype are used.
    whole : bool
        Whether answers are as long as the point; else they are one number.
    answers : int
        Number of answers of a worker to each point.
    replaces : int, optional
        Code id of a code that is no longer needed.
    """

    def __init__(
        self,
        transport: Transport,
        parameters: int,
        config: RunConfig,
        whole: bool,
        answers: int = BURST,
        replaces: int | None = None,
    ) -> None:
        self._transport, self._config, self._iteration = transport, config, 0
        self._beta, self._whole, self._answers = np.zeros(parameters), whole, answers
        workers = transport.workers - config.spare
        scheme = schemes.create(schemes.PROBE, workers, max(workers, answers), answers)
        layout = Layout(parameters, 1 if whole else parameters, config.dtype)
        self.group = group_of_all(transport, scheme, layout, replaces)
        for worker, peer in enumerate(self.group.members):
            assignment = Assignment(
                code_id=self.group.code_id,
                replaces=replaces,
                worker=worker,
                tasks=answers,
                height=1,
                columns=parameters,
                layout=layout,
                own=None,
                labels=whole,
                ends=tuple(range(1, answers + 1)),
                coefficients=None,
                unit=1.0,
                product=not whole,
                objective="least-squares",
                delay="none",
                seed=config.seed,
            )
            transport.assign(peer, assignment)
            rows = np.zeros((answers, 1, parameters), config.dtype)
            transport.piece(peer, 0, rows, np.zeros((answers, 1), config.dtype) if whole else None)
        self.all_answer()

    def again(self, replaces: int, answers: int) -> PingPong:
        """Return another ping-pong in place of the code with id `replaces`."""
        parameters = len(self._beta)
        return PingPong(self._transport, parameters, self._config, self._whole, answers, replaces)

    def alone(self) -> float:
        """Return the median seconds until one worker has answered."""
        some = self.group.members[:ALONE]
        return float(np.median([self._ask([peer])[0] for peer in some * ROUNDS]))

    def together(self) -> float:
        """Return the median seconds between two answers when all workers answer."""
        spans = []
        for _ in range(ROUNDS):
            answers = self._ask(self.group.members)
            spans.append((answers[-1] - answers[0]) / max(1, len(answers) - 1))
        return float(np.median(spans))

    def gathering(self) -> float:
        """Return the median seconds until all workers have answered."""
        seconds = list[float]()
        while len(seconds) < ROUNDS or (len(seconds) < MOST_ROUNDS and sum(seconds) < LITTLE):
            seconds.append(self._ask(self.group.members)[-1])
        return float(np.median(seconds))

    def all_answer(self) -> None:
        """Wait until all workers have answered."""
        self._ask(self.group.members, np.inf)

    def _ask(self, peers: Iterable[int], patience: float = PATIENCE) -> list[float]:
        """Send a point, wait for all answers, and return the seconds until each, in order."""
        clock, lost = self._transport.clock, self._transport.lost
        missing, answers = dict.fromkeys(peers, self._answers), []
        left = clock()
        self._transport.broadcast(Point(self.group.code_id, self._iteration, self._beta), missing)
        while missing := {peer: n for peer, n in missing.items() if n and peer not in lost}:
            incoming = self.group.receive_now(self._iteration, left + patience)
            for (worker, _), time in zip(incoming.keys, incoming.times, strict=True):
                missing[self.group.members[worker]] -= 1
                answers.append(time - left)
            if self._transport.interrupted:
                raise Interrupted("stopped while the cluster was measured")
            if clock() >= left + patience:
                raise Undecodable(f"{len(missing)} workers do not answer within {patience:g} s")
        self._iteration += 1
        if not answers:
            raise Undecodable("all workers are lost")
        return answers
