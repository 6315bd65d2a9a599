"""The group of workers that run one scheme, and the check of the messages that they send."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import repeat
from math import inf, isfinite
from operator import lt
from typing import NamedTuple

import numpy as np

from coded_dgd.engine.protocol import HEADER, Floats, Point, Report
from coded_dgd.engine.transports.base import Batch, Transport
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.sharing import HostGroup
from coded_dgd.schemes.base import Scheme

NO_HEADER = [-1.0] * HEADER
"""A placeholder for a header that makes no sense; it belongs to no code id."""


class Late(NamedTuple):
    """A message that answers an earlier iteration."""

    worker: int
    number: int
    iteration: int
    time: float
    """Instant of arrival in seconds, on the clock of the transport."""
    row: int
    """Row of the payload matrix that holds the message."""


class Loss(NamedTuple):
    """The loss of worker `worker` of the scheme."""

    worker: int
    report: Report


class Refusal(NamedTuple):
    """Something unusable that worker `worker` has sent in place of a message."""

    worker: int
    message: int | None
    """Number of the message in this iteration; None if it is unknown."""
    reason: str


@dataclass(slots=True)
class Incoming:
    """Everything that has arrived for one worker group since the previous call.

    The first five lists have one entry per message that answers the current iteration, in order of
    arrival.
    """

    keys: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of the worker of the scheme and the number of the message among the worker's."""
    rows: list[int] = field(default_factory=list)
    """Rows of the payload matrix. The receiver owns them."""
    times: list[float] = field(default_factory=list)
    """Instants of arrival in seconds, on the clock of the transport."""
    compute_seconds: list[float] = field(default_factory=list)
    """Seconds that the worker computed for each message."""
    overruns: list[float] = field(default_factory=list)
    """Longest time, in seconds, by which real computing exceeded an injected delay."""
    late: list[Late] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


class WorkerGroup:
    """The workers of one scheme: worker i is peer ``members[i]`` of a transport.

    All messages of a group carry its code id.

    Parameters
    ----------
    transport : Transport
    scheme : Scheme
    code_id : int
        Number of the code among those that the workers hold.
    members : list of int
        One peer for each worker of the scheme.
    delay_streams : list of int
        Number of each worker in the delay model.
    layout : Layout
        What a message carries.
    replaces : int, optional
        Code id of the group that this one replaces.
    """

    def __init__(
        self,
        transport: Transport,
        scheme: Scheme,
        code_id: int,
        members: list[int],
        delay_streams: list[int],
        layout: Layout,
        replaces: int | None = None,
    ) -> None:
        self.transport, self.scheme, self.code_id = transport, scheme, code_id
        self.replaces = replaces
        self.members, self.delay_streams, self.layout = members, delay_streams, layout
        self._body_length = layout.body_length
        self.combines = scheme.combines(layout.payload_bytes)
        """Whether workers report finished tasks without results, and send sums on request."""
        self.sums = range(0)
        """Numbers of the messages with sums that have been asked for in this iteration."""
        self.kernel = "products"
        """How workers compute (`engine.kernels`)."""
        self.loads = False
        """Whether workers load libraries that the objective needs, which takes seconds."""
        self.host_groups: list[HostGroup] = []
        """Groups of workers that share blocks."""
        self.refused: Counter[tuple[int, str]] = Counter()
        """Number of messages not used because they make no sense, by peer and reason."""
        self._worker = {peer: worker for worker, peer in enumerate(members)}
        self._counts: list[int] = np.count_nonzero(scheme.expected, axis=1).tolist()

    @property
    def late_results(self) -> int:
        """Number of results that arrived too late, while another group was receiving."""
        late = self.transport.late_results
        return late[self.code_id] + (0 if self.replaces is None else late[self.replaces])

    @property
    def lost(self) -> list[int]:
        """Workers of the scheme that are lost and have not been replaced."""
        lost = self.transport.lost
        return [w for w, peer in enumerate(self.members) if peer in lost] if lost else []

    def dismiss(self, worker: int, iteration: int, cause: str) -> None:
        """Treat a worker as lost from now on."""
        self.transport.dismiss(self.members[worker], iteration, cause)

    def replace(self, worker: int, peer: int) -> None:
        """Replace a worker by another peer."""
        del self._worker[self.members[worker]]
        self.members[worker] = peer
        self._worker[peer] = worker

    def broadcast(self, iteration: int, beta: Floats, product: bool = False) -> None:
        """Send beta_t to all members; for a `product`, workers leave labels out."""
        self.transport.broadcast(Point(self.code_id, iteration, beta, product), self.members)

    def receive(self, iteration: int, until: float = inf, enough: int = 1) -> Incoming:
        """Wait for something to arrive; return what of it is this group's, up to this iteration.

        The caller must free the rows of the returned messages; all other rows are already free. A
        message that makes no sense is counted in `refused`. Unless it belongs to an earlier
        iteration, no other message will replace it, and it is returned as a `Refusal`.
        """
        batch, incoming = self.transport.receive(until, enough), Incoming()
        if batch.peers:
            self._sort(batch, iteration, incoming)
        for report in batch.losses:
            if (worker := self._worker.get(report.peer)) is not None:
                incoming.losses.append(Loss(worker, report))
        return incoming

    def receive_now(self, iteration: int, until: float = inf) -> Incoming:
        """Receive messages of this iteration without their payloads; all rows are free again."""
        incoming = self.receive(iteration, until)
        self.transport.payloads.free([*incoming.rows, *(late.row for late in incoming.late)])
        return incoming

    def _sort(self, batch: Batch, iteration: int, incoming: Incoming) -> None:
        """Check the messages of a batch, and add them to what is incoming."""
        payloads, counts = self.transport.payloads, self._counts
        if self.combines:  # most have no body
            headers, finite = payloads.headers(batch.rows), False
        else:
            headers, finite = payloads.inspect(batch.rows, self.layout)
        workers = [*map(self._worker.get, batch.peers, repeat(-1))]
        columns, messages = list(zip(*headers, strict=True)), len(headers)
        if (
            finite
            and columns[0].count(self.code_id) == messages
            and columns[1].count(iteration) == messages
            and batch.lengths.count(self._body_length) == messages
            and min(workers) >= 0
            and min(columns[2]) >= 0
            and all(map(lt, columns[2], [counts[worker] for worker in workers]))
        ):  # they can all be used
            incoming.keys += zip(workers, map(int, columns[2]), strict=True)
            incoming.rows += batch.rows
            incoming.times += batch.times
            incoming.compute_seconds += columns[3]
            incoming.overruns += columns[4]
            return
        late, code_id, too_old = incoming.late, self.code_id, iteration - self.scheme.oldest
        used = list[int]()  # places of the messages that answer this iteration
        for place, (peer, worker, row, size, time, header) in enumerate(
            zip(batch.peers, workers, batch.rows, batch.lengths, batch.times, headers, strict=True)
        ):
            if (
                0 <= header[1] < too_old
                and header[0] == code_id
                and worker >= 0
                and size >= 0
                and 0 <= header[2] < counts[worker]
            ):  # the payload is not used, whatever it holds
                late.append(Late(worker, int(header[2]), int(header[1]), time, row))
            elif (
                worker >= 0
                and header[1] == iteration
                and header[0] == code_id
                and (0 <= header[2] < counts[worker] or header[2] in self.sums)
                and size == self._length(worker, header[2])
                and (finite or not size or payloads.is_finite(row, self.layout))
            ):
                used.append(place)
            elif old := self._set_aside(peer, row, size, header, iteration, incoming):
                late.append(Late(*old, time, row))
            else:
                payloads.free([row])
        incoming.keys += [(workers[place], int(headers[place][2])) for place in used]
        incoming.rows += [batch.rows[place] for place in used]
        incoming.times += [batch.times[place] for place in used]
        incoming.compute_seconds += [headers[place][3] for place in used]
        incoming.overruns += [headers[place][4] for place in used]

    def _length(self, worker: int, number: float) -> int:
        """Return the length of the body of a message: none if it only reports a task."""
        return 0 if self.combines and number < self._counts[worker] else self._body_length

    def _set_aside(
        self,
        peer: int,
        row: int,
        size: int,
        header: list[float],
        iteration: int,
        incoming: Incoming,
    ) -> tuple[int, int, int] | None:
        """Account for a message that does not answer this iteration.

        Returns
        -------
        tuple of int, or None
            Worker, message number and iteration, if the message answers an earlier iteration.
        """
        if size < 0 or not isfinite(sum(header)):
            header = NO_HEADER
        code, answered, number = (int(value) for value in header[:3])
        worker = self._worker.get(peer)
        if worker is None or (code != self.code_id and 0 <= code < self.transport.codes):
            self.transport.late_results[code] += 1
            return None
        exists = 0 <= number < self._counts[worker] or number in self.sums
        if self.combines and answered < iteration:
            exists |= number >= self.sums.start
        if code != self.code_id or not 0 <= answered <= iteration:
            wrong = "wrong header"
        elif not exists:
            wrong = "wrong message number"
        elif answered < iteration - self.scheme.oldest:
            return worker, number, answered  # the payload is not used, whatever it holds
        elif size != self._length(worker, number):
            wrong = "wrong length"
        elif answered < iteration and self.transport.payloads.is_finite(row, self.layout):
            return worker, number, answered
        else:
            wrong = "not finite"
        self.refused[peer, wrong] += 1
        if not 0 <= answered < iteration:
            known = exists and answered == iteration
            incoming.refusals.append(Refusal(worker, number if known else None, wrong))
        return None
