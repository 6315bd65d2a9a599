"""The workers that run one scheme: who they are, and what of their messages can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from coded_dgd.engine.protocol import Floats, Point, Report, Result
from coded_dgd.engine.transports.base import Transport
from coded_dgd.problems.sharing import Group
from coded_dgd.schemes.base import Scheme


class Message(NamedTuple):
    """A result that belongs to this crew, from worker `worker` of its scheme."""

    worker: int
    result: Result


class Loss(NamedTuple):
    """Worker `worker` of the scheme has been lost."""

    worker: int
    report: Report
    message: None = None
    """Like that of a `Refusal`: none of its messages is to be expected."""


class Refusal(NamedTuple):
    """Worker `worker` has sent something that cannot be used in place of a message."""

    worker: int
    message: int | None
    """Which message of this iteration; None where that cannot be told."""
    reason: str


class Crew:
    """Worker i of a scheme is peer ``members[i]`` of a transport, on one lane of it.

    Parameters
    ----------
    transport : Transport
    scheme : Scheme
    lane : int
    members : list of int
        A peer for each worker of the scheme.
    draws : list of int
        Number of each worker in the delay model.
    payload : int
        Length of the payload of a message.
    replaces : int, optional
        Lane of the crew whose place this one takes.
    """

    def __init__(
        self,
        transport: Transport,
        scheme: Scheme,
        lane: int,
        members: list[int],
        draws: list[int],
        payload: int,
        replaces: int | None = None,
    ) -> None:
        self.transport, self.scheme, self.lane = transport, scheme, lane
        self.replaces = replaces
        self.members, self.draws, self.payload = members, draws, payload
        self.kernel = "products"
        """How workers compute (`engine.kernels`)."""
        self.together: list[Group] = []
        """Workers that hold blocks together."""
        self.refused: Counter[tuple[int, str]] = Counter()
        """Messages that were not used because they make no sense, by peer and reason."""
        self._worker = {peer: worker for worker, peer in enumerate(members)}
        self._messages: list[int] = np.count_nonzero(scheme.expected, axis=1).tolist()

    @property
    def strays(self) -> int:
        """Results that came too late, while another crew was waited for."""
        late = self.transport.strays
        return late[self.lane] + (0 if self.replaces is None else late[self.replaces])

    @property
    def lost(self) -> list[int]:
        """Workers of the scheme that are lost and have not been replaced."""
        return [w for w, peer in enumerate(self.members) if peer in self.transport.lost]

    def dismiss(self, worker: int, iteration: int, cause: str) -> None:
        """Do without a worker from now on."""
        self.transport.dismiss(self.members[worker], iteration, cause)

    def replace(self, worker: int, peer: int) -> None:
        """Put another peer in the place of a worker."""
        del self._worker[self.members[worker]]
        self.members[worker] = peer
        self._worker[peer] = worker

    def broadcast(self, iteration: int, beta: Floats) -> None:
        """Send beta_t to everyone."""
        self.transport.broadcast(Point(self.lane, iteration, beta), self.members)

    def receive(self, iteration: int, until: float = inf) -> Iterator[Message | Loss | Refusal]:
        """Wait for something to arrive; yield what of it is this crew's, up to this iteration.

        A message that makes no sense is counted in `refused`. Unless it is one of an earlier
        iteration, there will be none in its place: that is a refusal.
        """
        for arrived in self.transport.receive(until):
            worker = self._worker.get(arrived.peer)
            if isinstance(arrived, Report):
                if worker is not None:
                    yield Loss(worker, arrived)
            elif worker is None or (
                arrived.lane != self.lane and 0 <= arrived.lane < self.transport.lanes
            ):
                self.transport.strays[arrived.lane] += 1
            elif wrong := self._wrong(worker, arrived, iteration):
                self.refused[arrived.peer, wrong] += 1
                current = arrived.iteration == iteration
                if current or not 0 <= arrived.iteration < iteration:
                    known = current and 0 <= arrived.message < self._messages[worker]
                    yield Refusal(worker, arrived.message if known else None, wrong)
            else:
                yield Message(worker, arrived)

    def _wrong(self, worker: int, result: Result, iteration: int) -> str | None:
        """What is wrong with a message, if anything is."""
        if result.lane != self.lane or not 0 <= result.iteration <= iteration:
            return "wrong header"
        if not 0 <= result.message < self._messages[worker]:
            return "wrong message number"
        if result.iteration < iteration:
            return None  # it is not used, whatever is in it
        if len(result.payload) != self.payload:
            return "wrong length"
        if not isfinite(np.add.reduce(result.payload, dtype=np.float64)):
            return "not finite"
        return None
