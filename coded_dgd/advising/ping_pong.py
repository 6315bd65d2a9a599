"""What messages take: workers answer at once, with nothing to compute."""

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
"""Times that messages of each length are sent by everybody at once, and by one after the other."""
MOST_ROUNDS, LITTLE = 100, 0.1
"""Times that all are asked for one answer, at most, and seconds that it may take more often."""
BURST = 8
"""Messages that a worker sends one after the other when it takes no work."""
ALONE = 8
"""Workers that are also asked alone."""
PATIENCE = 5.0
"""Seconds to wait for an answer that takes no work."""


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
    iteration (`advising.dry_run`)."""


def measure_messages(
    config: RunConfig, transport: Transport, parameters: int
) -> tuple[PingPong, Messages]:
    """Measure what messages take; also return a lane on which workers answer at once.

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
    set_up = transport.clock() - begin  # the second time: what has to be imported is there
    latency = short.alone(), full.alone()
    service = short.together(), full.together()
    once = short.again(short.group.code_id, 1), full.again(full.group.code_id, 1)
    gathering = once[0].gathering(), once[1].gathering()
    return once[0], Messages((1, parameters), latency, service, set_up, gathering)


def group_of_all(
    transport: Transport, scheme: Scheme, layout: Layout, replaces: int | None = None
) -> WorkerGroup:
    """Return the crew of the first peers, on a lane of its own; see `WorkerGroup`."""
    members = list(range(scheme.workers))
    return WorkerGroup(
        transport, scheme, transport.new_code(), members, list(members), layout, replaces
    )


class PingPong:
    """A lane on which workers answer at once, several times: products with rows of zeros."""

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
                dynamic=False,
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
        """Return another such lane in the place of one that is done with."""
        parameters = len(self._beta)
        return PingPong(self._transport, parameters, self._config, self._whole, answers, replaces)

    def alone(self) -> float:
        """Seconds that one worker takes to answer, median."""
        some = self.group.members[:ALONE]
        return float(np.median([self._ask([peer])[0] for peer in some * ROUNDS]))

    def together(self) -> float:
        """Seconds between two answers of many, median."""
        spans = []
        for _ in range(ROUNDS):
            answers = self._ask(self.group.members)
            spans.append((answers[-1] - answers[0]) / max(1, len(answers) - 1))
        return float(np.median(spans))

    def gathering(self) -> float:
        """Seconds until all have answered, median."""
        seconds = list[float]()
        while len(seconds) < ROUNDS or (len(seconds) < MOST_ROUNDS and sum(seconds) < LITTLE):
            seconds.append(self._ask(self.group.members)[-1])
        return float(np.median(seconds))

    def all_answer(self) -> None:
        """Wait until everybody has answered."""
        self._ask(self.group.members, np.inf)

    def _ask(self, peers: Iterable[int], patience: float = PATIENCE) -> list[float]:
        """Seconds until each answer, in order, when they all are here."""
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
