"""The master's loop: the page to read first.

Per iteration: send beta_t, take messages as they come, decode as soon as those that have arrived
suffice within the guard, update beta, and let the next beta_t overtake the stragglers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from coded_dgd.engine.arrival_log import ArrivalLog
from coded_dgd.engine.crew import Crew, Loss, Message
from coded_dgd.engine.distribute import Distributed
from coded_dgd.engine.losses import TooFewWorkers
from coded_dgd.engine.marks import Activity, unmarked
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.errors import Interrupted, Undecodable
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems.norms import norm
from coded_dgd.problems.optimizers import GradientDescent
from coded_dgd.problems.problem import Quadratic

REMEMBERED = 1000
"""Iterations after which a message that is still on its way is not taken down any more."""


@dataclass(slots=True)
class Iteration:
    """What happened in one iteration; times in seconds."""

    iteration: int
    completion_time: float
    """beta_t leaves -> the message that made the gradient decodable is here."""
    messages_used: int
    """Messages up to and including that one: the communication load."""
    extra_messages: int
    """Those of them that the guard asked for."""
    wasted_messages: int
    """Messages of earlier iterations, and of this one once it was decodable."""
    error_amplification: float
    weights_time: float
    decode_time: float
    update_time: float
    compute_time: float
    """The longest that a worker computed for one of these messages."""
    overrun: float
    """The longest that real computing went beyond an injected delay."""
    gradient_norm: float
    loss: float | None
    """Loss at beta_t, where the scheme is exact and the objective quadratic: the gradient tells."""
    gradient_error: float | None = None
    check_time: float = 0.0
    workers_heard: int = 0
    """Workers of which a message was used."""
    workers_live: int = 0
    """Workers of the scheme that are not lost."""


@dataclass
class Absence:
    """A worker that was missing for some iterations."""

    worker: int
    since: int
    """Iteration in which it was lost."""
    elapsed: float
    """Seconds after that beta_t left."""
    until: int | None = None
    """First iteration in which another had its place."""

    def at(self, iteration: int) -> float | None:
        """Seconds after which nothing came from it in this iteration; None if it was there."""
        if iteration < self.since or (self.until is not None and iteration >= self.until):
            return None
        return self.elapsed if iteration == self.since else 0.0


class Master:
    """Runs the iterations of one crew.

    Parameters
    ----------
    crew : Crew
        With the data distributed.
    decoder : GuardedDecoder
    optimizer : GradientDescent
    data : Distributed
        What is known of the data.
    arrivals : ArrivalLog
        Takes down when each message arrived.
    quadratic : Quadratic, optional
        An objective of degree 2 where beta is zero; coded schemes need it.
    ridge : float
    exact_gradient : callable, optional
        For checking: the gradient computed on rank 0.
    on_loss : callable, optional
        Told of each worker that is lost while an iteration runs.
    """

    def __init__(
        self,
        crew: Crew,
        decoder: GuardedDecoder,
        optimizer: GradientDescent,
        data: Distributed,
        arrivals: ArrivalLog,
        quadratic: Quadratic | None,
        ridge: float = 0.0,
        exact_gradient: Callable[[Floats], Floats] | None = None,
        on_loss: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self.crew, self.scheme, self.decoder = crew, crew.scheme, decoder
        self.optimizer, self.data, self.ridge = optimizer, data, ridge
        self.arrivals = arrivals
        self.quadratic = quadratic
        self.exact_gradient = exact_gradient
        self.on_loss = on_loss
        self._clock = crew.transport.clock
        marks = crew.transport.marks
        self._mark: Callable[..., None] = unmarked if marks is None else marks.mark
        self.first_norm = 0.0
        """Norm of the first exact gradient, where gradients are checked."""
        self.absences: list[Absence] = []
        self.refusals: dict[int, str] = {}
        """Workers of which something was refused in this iteration, and why."""
        # Row k holds the k-th payload to arrive; rows that none reaches take no memory.
        self._payloads = np.empty((int(np.count_nonzero(self.scheme.expected)), crew.payload))
        self._left: dict[int, float] = {}  # when each beta_t left
        self._strays = crew.strays

    @property
    def late(self) -> int:
        """Results of earlier iterations that other crews have received since the last one."""
        return self.crew.strays - self._strays

    def iterate(self, iteration: int) -> Iteration:
        """Run one iteration, as far as the update of beta.

        Raises
        ------
        Interrupted
            If the transport is interrupted before the gradient is decodable.
        TooFewWorkers
            If so many workers are lost that it never will be.
        Undecodable
            If everything is here but does not decode within the guard.
        """
        point = self.optimizer.point
        self.refusals = {}
        self.decoder.begin(self._absent(iteration))
        self._refuse_hopeless(iteration)
        self._left[iteration] = self._clock()
        self._mark(Activity.BROADCAST, self.crew.lane, iteration, at=self._left[iteration])
        self._left.pop(iteration - REMEMBERED, None)
        record = Iteration(iteration, 0.0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None)

        # 1. beta_t leaves; workers that are still busy with an older one skip to it
        self.arrivals.begin(iteration)
        self.crew.broadcast(iteration, point)

        # 2. messages stream in until they decode
        self._mark(Activity.WAIT, self.crew.lane, iteration)
        self._await(iteration, record)

        # 3. decode: weighted sum of the payloads, and what the master knows itself
        self._mark(Activity.DECODE, self.crew.lane, iteration)
        begin = perf_counter()
        gradient = self._decode()
        record.decode_time = perf_counter() - begin

        # 4. update beta
        self._mark(Activity.UPDATE, self.crew.lane, iteration)
        begin = perf_counter()
        gradient += self.ridge * point
        if self.scheme.exact and self.quadratic is not None:
            record.loss = self.quadratic.loss_at(point, gradient)
        record.gradient_norm = norm(gradient)
        self.optimizer.update(gradient)
        record.update_time = perf_counter() - begin
        record.workers_heard = len({worker for worker, _ in self.decoder.order})
        record.workers_live = self.scheme.workers - len(self.scheme.lost)

        self._mark(Activity.IDLE)
        self.arrivals.end(iteration)
        if self.exact_gradient is not None:
            self._mark(Activity.CHECK, self.crew.lane, iteration)
            begin = perf_counter()
            record.gradient_error = self._error(gradient, point)
            record.check_time = perf_counter() - begin
            self._mark(Activity.IDLE)
        return record

    def _absent(self, iteration: int) -> list[int]:
        """Workers of which nothing can be expected; take down who is new among them."""
        lost = self.crew.lost
        known = {absence.worker for absence in self.absences if absence.until is None}
        self.absences += [Absence(worker, iteration, 0.0) for worker in lost if worker not in known]
        return lost

    def back(self, workers: Iterable[int], iteration: int) -> None:
        """Note that others have taken the place of lost workers, from this iteration on."""
        for absence in self.absences:
            if absence.worker in workers and absence.until is None:
                absence.until = iteration

    def _await(self, iteration: int, record: Iteration) -> None:
        """Take messages until they decode within the guard, or until the scheme's deadline."""
        decoded = False
        limit = np.inf if self.scheme.deadline is None else self.scheme.deadline
        left = self._left[iteration]
        while not decoded:
            for arrived in self.crew.receive(iteration, left + limit):
                if isinstance(arrived, Message):
                    decoded = self._take(arrived, record, decoded)
                    continue
                if isinstance(arrived, Loss):
                    self._mark(Activity.LOST, self.crew.lane, iteration, -1, arrived.report.peer)
                    self.on_loss(arrived.report)
                    self.absences.append(Absence(arrived.worker, iteration, self._clock() - left))
                else:
                    self.refusals[arrived.worker] = arrived.reason
                if not decoded and self.decoder.lose(arrived.worker, arrived.message):
                    decoded = self._complete(record, self._clock() - left)
            if not decoded and self._clock() >= left + limit:
                begin = self._clock()
                self.decoder.expire()
                decoded = self._complete(record, limit)
                self._weighed(begin, iteration)
            if not decoded:
                if self.crew.transport.interrupted:
                    raise Interrupted(f"stopped in iteration {iteration}")
                self._refuse_hopeless(iteration)
        record.wasted_messages += self.late
        self._strays = self.crew.strays

    def _refuse_hopeless(self, iteration: int) -> None:
        """Raise if no more can be expected that would make the gradient decodable."""
        if self.scheme.deadline is not None:
            return
        gone, exhausted = self.crew.lost or self.refusals, self.decoder.exhausted
        if gone and (exhausted or self.decoder.hopeless):
            amplification = None if self.decoder.hopeless else self.decoder.amplification
            for worker, reason in self.refusals.items():
                self.crew.dismiss(worker, iteration, f"its messages cannot be used ({reason})")
            lost, causes = self.crew.lost, self.crew.transport.lost
            reports = [causes[self.crew.members[worker]] for worker in lost]
            raise TooFewWorkers(iteration, reports, amplification=amplification)
        if exhausted:
            raise Undecodable(
                f"iteration {iteration}: all messages are here, but decoding them amplifies "
                f"errors by {self.decoder.amplification:.1e}, above the guard: raise --guard, or "
                "use more polynomials (lcc-mmc-K), mds-mmc or uc-mmc"
            )

    def _take(self, arrived: Message, record: Iteration, decoded: bool) -> bool:
        """Account for one message; return whether the gradient is decodable."""
        worker, message = arrived.worker, arrived.result
        elapsed = message.time - self._left.get(message.iteration, np.nan)
        self.arrivals.note(message.iteration, worker, message.message, elapsed)
        if (
            decoded
            or message.iteration != record.iteration
            or self.decoder.has(worker, message.message)
        ):
            record.wasted_messages += 1
            self._note(Activity.WASTED, arrived)
            return decoded
        self._note(Activity.USED, arrived)
        self._payloads[len(self.decoder.order)] = message.payload
        record.compute_time = max(record.compute_time, message.compute_seconds)
        record.overrun = max(record.overrun, message.overrun)
        begin = self._clock()
        decoded = self.decoder.arrive(worker, message.message)
        if decoded:
            self._complete(record, elapsed)
        if self.decoder.weights_time:
            self._weighed(begin, record.iteration)
        return decoded

    def _note(self, activity: Activity, arrived: Message) -> None:
        """Mark the arrival of a message."""
        result = arrived.result
        self._mark(
            activity, result.lane, result.iteration, result.message, result.peer, result.time
        )

    def _weighed(self, begin: float, iteration: int) -> None:
        """Mark that weights have been computed since `begin`."""
        self._mark(Activity.WEIGHTS, self.crew.lane, iteration, at=begin)
        self._mark(Activity.WAIT, self.crew.lane, iteration)

    def _complete(self, record: Iteration, elapsed: float) -> bool:
        """Note that the gradient is decodable now."""
        record.completion_time = elapsed
        left = self._left[record.iteration]
        self._mark(Activity.DECODABLE, self.crew.lane, record.iteration, at=left + elapsed)
        record.messages_used = len(self.decoder.order)
        record.extra_messages = self.decoder.extra
        record.error_amplification = self.decoder.amplification
        record.weights_time = self.decoder.weights_time
        return True

    def _decode(self) -> Floats:
        """Gradient of the data from the payloads that have arrived."""
        weights = self.decoder.weights
        payloads = self._payloads[: weights.shape[-1]]
        if weights.ndim == 1 and not weights.all():  # copies of a block that are not needed
            used = np.flatnonzero(weights)
            weights, payloads = weights[used], payloads[used]
        gradient: Floats = weights @ payloads
        if self.scheme.pieces > 1:
            gradient = self.data.partition.join(gradient)
        if self.scheme.coded:
            assert self.quadratic is not None
            gradient += self.quadratic.gradient
        return gradient

    def _error(self, gradient: Floats, point: Floats) -> float:
        """Error of the gradient, relative to the exact one, or to the first where that is larger.

        Near the optimum the gradient is a difference that is less than the rounding errors of its
        terms: then nobody knows it to any number of digits, and errors count as before.
        """
        assert self.exact_gradient is not None
        exact = self.exact_gradient(point)
        size = norm(exact)
        self.first_norm = self.first_norm or size
        scale = max(size, self.first_norm)
        return norm(gradient - exact) / scale if scale else 0.0
