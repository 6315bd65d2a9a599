"""The workers that run one scheme: who they are, and what of their messages can be used."""

from __future__ import annotations

from collections import Counter
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from coded_dgd.engine.protocol import HEADER, Floats, Point, Report
from coded_dgd.engine.transports.base import Batch, Transport
from coded_dgd.problems.sharing import Group
from coded_dgd.schemes.base import Scheme

NO_HEADER = [-1.0] * HEADER
"""Stands for a header that makes no sense: it belongs to no lane."""


class Message(NamedTuple):
    """A message of this crew that can be used."""

    worker: int
    """Number of the worker in the scheme."""
    number: int
    """Number of the message among those of the worker in an iteration."""
    iteration: int
    """The iteration that it answers."""
    time: float
    """Instant of arrival in seconds, by the clock of the transport."""
    row: int
    """Its row of the payload matrix."""
    compute_seconds: float
    """Seconds that the worker computed for it."""
    overrun: float
    """The longest that real computing went beyond an injected delay, in seconds."""


class Loss(NamedTuple):
    """Worker `worker` of the scheme has been lost."""

    worker: int
    report: Report


class Refusal(NamedTuple):
    """Worker `worker` has sent something that cannot be used in place of a message."""

    worker: int
    message: int | None
    """Which message of this iteration; None where that cannot be told."""
    reason: str


class Incoming(NamedTuple):
    """What has arrived for one crew, each kind in the order of arrival."""

    messages: list[Message]
    """Those that answer the current iteration."""
    late: list[Message]
    """Those that answer an earlier one."""
    refusals: list[Refusal]
    losses: list[Loss]


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
        self._counts: list[int] = np.count_nonzero(scheme.expected, axis=1).tolist()

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

    def receive(self, iteration: int, until: float = inf) -> Incoming:
        """Wait for something to arrive; return what of it is this crew's, up to this iteration.

        The rows of the messages are the caller's to free; those of all others are free again. A
        message that makes no sense is counted in `refused`. Unless it is one of an earlier
        iteration, there will be none in its place: that is a refusal.
        """
        batch = self.transport.receive(until)
        incoming = Incoming([], [], [], [])
        if batch.peers:
            self._sort(batch, iteration, incoming)
        for report in batch.losses:
            if (worker := self._worker.get(report.peer)) is not None:
                incoming.losses.append(Loss(worker, report))
        return incoming

    def receive_now(self, iteration: int, until: float = inf) -> list[Message]:
        """Receive the messages of this iteration alone, without their payloads."""
        incoming = self.receive(iteration, until)
        self.transport.payloads.free(
            message.row for message in (*incoming.messages, *incoming.late)
        )
        return incoming.messages

    def _sort(self, batch: Batch, iteration: int, incoming: Incoming) -> None:
        """Check the messages of a batch, and add them to what is incoming."""
        payloads, code, length, counts = (
            self.transport.payloads, self.lane, self.payload, self._counts
        )  # fmt: skip
        for peer, row, size, time in zip(
            batch.peers, batch.rows, batch.lengths, batch.times, strict=True
        ):
            header = payloads.header(row)
            worker = self._worker.get(peer)
            if (
                worker is not None
                and header[1] == iteration
                and header[0] == code
                and size == length
                and 0 <= header[2] < counts[worker]
                and payloads.is_finite(row, length)
            ):
                incoming.messages.append(
                    Message(worker, int(header[2]), iteration, time, row, header[3], header[4])
                )
                continue
            if size < 0 or not isfinite(sum(header)):
                header = NO_HEADER
            lane, answered, number = (int(value) for value in header[:3])
            if worker is None or (lane != code and 0 <= lane < self.transport.lanes):
                self.transport.strays[lane] += 1
            elif wrong := self._wrong(worker, lane, answered, number, size, iteration):
                self.refused[peer, wrong] += 1
                if answered == iteration or not 0 <= answered < iteration:
                    known = answered == iteration and 0 <= number < counts[worker]
                    incoming.refusals.append(Refusal(worker, number if known else None, wrong))
            else:
                incoming.late.append(
                    Message(worker, number, answered, time, row, header[3], header[4])
                )
                continue
            payloads.free([row])

    def _wrong(
        self, worker: int, lane: int, answered: int, number: int, size: int, iteration: int
    ) -> str | None:
        """What is wrong with a message that cannot be used in this iteration, if anything is."""
        if lane != self.lane or not 0 <= answered <= iteration:
            return "wrong header"
        if not 0 <= number < self._counts[worker]:
            return "wrong message number"
        if answered < iteration:
            return None  # it is not used, whatever is in it
        return "wrong length" if size != self.payload else "not finite"
