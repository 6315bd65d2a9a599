"""The master's loop: the page to read first.

In each iteration the master sends beta_t, receives messages as they arrive and decodes as soon as
the arrived messages suffice within the guard. It then updates beta, and the next beta_t overtakes
the stragglers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf, nan
from operator import itemgetter
from time import perf_counter

import numpy as np

from coded_dgd.engine.arrival_log import ArrivalLog
from coded_dgd.engine.arrivals import Arrivals
from coded_dgd.engine.collecting import Collection
from coded_dgd.engine.dispatch import Dispatcher
from coded_dgd.engine.distribute import Distributed
from coded_dgd.engine.events import Activity, no_event
from coded_dgd.engine.group import Incoming, Late, Loss, WorkerGroup
from coded_dgd.engine.iteration import Absence, Iteration
from coded_dgd.engine.losses import TooFewWorkers
from coded_dgd.engine.protocol import Floats, Report
from coded_dgd.errors import Interrupted, Undecodable
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems.norms import norm
from coded_dgd.problems.optimizers import Optimizer
from coded_dgd.problems.problem import Quadratic
from coded_dgd.problems.ridge import Ridge, penalty
from coded_dgd.schemes import remedies
from coded_dgd.schemes.dynamic import DynamicScheme

REMEMBERED = 1000
"""Arrivals of messages older than this many iterations are no longer recorded."""


class Master:
    """Runs the iterations of one worker group.

    Parameters
    ----------
    group : WorkerGroup
        Workers that already hold their data.
    decoder : GuardedDecoder
        Decides when the arrived messages suffice.
    optimizer : Optimizer
        Updates beta from the gradient.
    data : Distributed
        What the master keeps of the distributed data.
    log : ArrivalLog
        Records when each message arrived.
    quadratic : Quadratic, optional
        The objective of degree 2, expanded at beta = 0; coded schemes need it.
    ridge : float or (p,) array
        Factors of the L2 penalty.
    exact_gradient : callable, optional
        Computes the exact gradient of an iteration on rank 0, to check the decoded one.
    on_loss : callable, optional
        Called with the report of each worker that is lost while an iteration runs.
    """

    def __init__(
        self,
        group: WorkerGroup,
        decoder: GuardedDecoder,
        optimizer: Optimizer,
        data: Distributed,
        log: ArrivalLog,
        quadratic: Quadratic | None,
        ridge: Ridge = 0.0,
        exact_gradient: Callable[[Floats, int], Floats] | None = None,
        on_loss: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self.group, self.scheme, self.decoder = group, group.scheme, decoder
        self.optimizer, self.data, self.ridge = optimizer, data, ridge
        self.log = log
        self.arrivals = Arrivals(group.transport.payloads, group.scheme.oldest)
        self._dispatcher = (
            Dispatcher(group, group.scheme) if isinstance(group.scheme, DynamicScheme) else None
        )
        self.quadratic = quadratic
        self.exact_gradient = exact_gradient
        self.on_loss = on_loss
        self._clock = group.transport.clock
        events = group.transport.events
        self._records_events = events is not None
        self._event: Callable[..., None] = no_event if events is None else events.add
        self._decodable = False
        self.first_exact_norm = 0.0
        """Norm of the first exact gradient, if gradients are checked."""
        self.absences: list[Absence] = []
        self.refusals: dict[int, str] = {}
        """Workers that sent something unusable in this iteration, with the reason."""
        self._left: dict[int, float] = {}  # when each beta_t left
        self._late_results = group.late_results

    @property
    def late(self) -> int:
        """Number of late results received by other groups since the previous iteration."""
        return self.group.late_results - self._late_results

    def speeds(self) -> list[list[float]] | None:
        """Return what is known of the speed of the workers, for a checkpoint."""
        return self._dispatcher.shares.state() if self._dispatcher else None

    def own_tasks(self) -> list[int] | None:
        """Return the number of tasks with which each worker begins; None if that is fixed."""
        return [*map(len, self._dispatcher.shares.lists)] if self._dispatcher else None

    def restore_speeds(self, speeds: list[list[float]] | None) -> None:
        """Continue from what `speeds` has returned."""
        if self._dispatcher:
            self._dispatcher.shares.restore(speeds)

    def iterate(self, iteration: int) -> Iteration:
        """Run one iteration up to the update of beta.

        Raises
        ------
        Interrupted
            The transport is interrupted before the gradient is decodable.
        TooFewWorkers
            Too many workers are lost for the gradient ever to become decodable.
        Undecodable
            All messages have arrived, but they do not decode within the guard.
        """
        record, point = self._begin(iteration), self.optimizer.point
        product = self.optimizer.asks_product
        try:
            self._enter(Activity.BROADCAST, iteration, self._left[iteration])
            # it overtakes beta_t of earlier iterations
            self.group.broadcast(iteration, point, product)
            if self._dispatcher:
                self._dispatcher.tell(0.0)
            self._enter(Activity.WAIT, iteration)
            self._wait(record)
            begin = self._enter(Activity.DECODE, iteration)
            answer = self._decode(product)
            record.decode_time = perf_counter() - begin
            begin = self._enter(Activity.UPDATE, iteration)
            answer += self.ridge * point
            self._step(answer)
            # records speak of the gradient at beta, and the answer may be something else
            known = self.optimizer.gradient_at_beta
            gradient, at = (answer, point) if known is None else (known, self.optimizer.beta)
            record.loss = self._loss_of(gradient, at)
            record.gradient_norm = norm(gradient)
            record.update_time = perf_counter() - begin
            self._event(Activity.IDLE)
        finally:
            self.arrivals.end()
        self._end(record)
        if self.exact_gradient is not None:
            begin = self._enter(Activity.CHECK, iteration)
            record.gradient_error = self._error(gradient, at, iteration)
            record.check_time = perf_counter() - begin
            self._event(Activity.IDLE)
        return record

    def _enter(self, phase: Activity, iteration: int, at: float | None = None) -> float:
        """Record that a phase of the iteration begins, and return the time of `perf_counter`."""
        self._event(phase, self.group.code_id, iteration, at=at)
        return perf_counter()

    def _begin(self, iteration: int) -> Iteration:
        """Discard the messages of the previous iteration, and note that beta_t leaves now."""
        self.refusals, self._decodable = {}, False
        self.arrivals.begin(iteration)
        self.decoder.begin(self._absent(iteration), self.arrivals.ages())
        self._refuse_hopeless(iteration)
        self.log.begin(iteration)
        if self._dispatcher:
            self._dispatcher.divide(iteration, self.decoder.lost)
        self._left[iteration] = self._clock()
        self._left.pop(iteration - REMEMBERED, None)
        return Iteration(iteration)

    def _end(self, record: Iteration) -> None:
        """Complete the record of an iteration, and write the times of its arrivals."""
        if self._dispatcher:
            record.words, record.results = self._dispatcher.words, self._dispatcher.results
        record.workers_heard = len({worker for worker, _ in self.decoder.order})
        record.workers_live = self.scheme.workers - len(self.decoder.lost)
        record.wasted_messages += self.late
        self._late_results = self.group.late_results
        self.log.end(record.iteration)

    def _absent(self, iteration: int) -> list[int]:
        """Return the workers from which no message can come, and record the new ones among them."""
        lost = self.group.lost
        known = {absence.worker for absence in self.absences if absence.until is None}
        self.absences += [Absence(worker, iteration, 0.0) for worker in lost if worker not in known]
        return lost

    def back(self, workers: Iterable[int], iteration: int) -> None:
        """Note that lost workers have been replaced from this iteration on."""
        for absence in self.absences:
            if absence.worker in workers and absence.until is None:
                absence.until = iteration

    def _wait(self, record: Iteration) -> None:
        """Receive messages until they decode within the guard, or until the scheme's deadline."""
        iteration, left = record.iteration, self._left[record.iteration]
        limit = inf if self.scheme.deadline is None else self.scheme.deadline
        while not self._decodable:
            enough, until = self.decoder.still_needed, limit
            if self._dispatcher:
                enough, until = 1, min(limit, self._dispatcher.next_instant)
            incoming = self.group.receive(iteration, left + until, enough)
            if self._dispatcher and self._dispatcher.collection:
                self._take_kept(incoming, record, self._dispatcher, self._dispatcher.collection)
            else:
                self._take(incoming, record)
            if incoming.late:
                self._take_late(incoming.late, record)
            for loss in incoming.losses:
                self._take_loss(loss, record, self._clock() - left)
            for refusal in incoming.refusals:
                self.refusals[refusal.worker] = refusal.reason
                elapsed, numbers = self._clock() - left, [refusal.message]
                if self._dispatcher:
                    numbers = self._dispatcher.refuse(refusal.worker, refusal.message, elapsed)
                for number in numbers:
                    self._expect_less(refusal.worker, number, record, elapsed)
            if self._decodable:
                return
            if self._dispatcher:
                self._dispatcher.tell(self._clock() - left)
            if self._clock() >= left + limit:
                begin = self._clock()
                self.decoder.expire()
                self._complete(record, limit)
                self._weights_event(begin, iteration)
            elif self.group.transport.interrupted:
                raise Interrupted(f"stopped in iteration {iteration}")
            else:
                self._refuse_hopeless(iteration)

    def _refuse_hopeless(self, iteration: int) -> None:
        """Raise if no further message can make the gradient decodable."""
        if self.scheme.deadline is not None:
            return
        gone, exhausted = self.group.lost or self.refusals, self.decoder.exhausted
        if gone and (exhausted or self.decoder.hopeless):
            amplification = None if self.decoder.hopeless else self.decoder.amplification
            for worker, reason in self.refusals.items():
                self.group.dismiss(worker, iteration, f"its messages cannot be used ({reason})")
            lost, causes = self.group.lost, self.group.transport.lost
            reports = [causes[self.group.members[worker]] for worker in lost]
            raise TooFewWorkers(iteration, reports, amplification=amplification)
        if exhausted:
            raise Undecodable(
                f"iteration {iteration}: all messages are here, but decoding them amplifies "
                f"errors by {self.decoder.amplification:.1e}, above the guard: raise --guard, or "
                f"use {remedies.CALMER}"
            )

    def _take(self, incoming: Incoming, record: Iteration) -> None:
        """Take messages of this iteration; note the one that makes the gradient decodable."""
        left = self._left[record.iteration]
        elapsed = [time - left for time in incoming.times]
        self.log.note_all(incoming.keys, elapsed)
        alike = not (self._decodable or self._dispatcher or self._records_events)
        if alike and not self.scheme.oldest and self.arrivals.are_new(incoming.keys):
            used: Sequence[int] = self._take_together(incoming, elapsed, record)
        else:
            used = self._take_each(incoming, elapsed, record)
        record.wasted_messages += len(incoming.keys) - len(used)
        if used:
            of_used = itemgetter(*used, used[0])
            record.compute_time = max(record.compute_time, *of_used(incoming.compute_seconds))
            record.overrun = max(record.overrun, *of_used(incoming.overruns))

    def _take_together(self, incoming: Incoming, elapsed: list[float], record: Iteration) -> range:
        """Take messages of which only their number matters; return the places of those used."""
        taken, decodable = self.decoder.arrive_all(incoming.keys)
        self.arrivals.take_all(incoming.keys[:taken], incoming.rows[:taken])
        if decodable:
            self._complete(record, elapsed[taken - 1])
        self.arrivals.payloads.free(incoming.rows[taken:])
        return range(taken)

    def _take_each(self, incoming: Incoming, elapsed: list[float], record: Iteration) -> list[int]:
        """Take messages one by one; return the places of those used."""
        iteration, used = record.iteration, list[int]()
        for place, (key, row) in enumerate(zip(incoming.keys, incoming.rows, strict=True)):
            if self._decodable:
                self.arrivals.payloads.free([row])
            elif self.arrivals.take(key, row, iteration):
                used.append(place)
                if self._use(key, record, incoming.times[place]):
                    self._complete(record, elapsed[place])
                continue
            self._message_event(Activity.WASTED, key, iteration, incoming.times[place])
        return used

    def _take_kept(
        self,
        incoming: Incoming,
        record: Iteration,
        dispatcher: Dispatcher,
        collection: Collection,
    ) -> None:
        """Take reports of tasks whose results workers keep, and sums of such results."""
        iteration, left = record.iteration, self._left[record.iteration]
        record.compute_time = max([record.compute_time, *incoming.compute_seconds])
        record.overrun = max([record.overrun, *incoming.overruns])
        for key, row, time in zip(incoming.keys, incoming.rows, incoming.times, strict=True):
            tasks, report = list[int](), not collection.is_sum(*key)
            if report:
                self.log.note(iteration, *key, time - left)
                dispatcher.finish(*key, time - left)
            elif not self._decodable:
                tasks = collection.take(*key, time - left)
            if self._records_events:
                used = report or tasks
                self._message_event(
                    Activity.USED if used else Activity.WASTED, key, iteration, time
                )
            if not tasks:
                self.arrivals.payloads.free([row])
                record.wasted_messages += not report
                continue
            self.arrivals.take(key, row, iteration)
            worker, _ = key
            if any([self.decoder.arrive((worker, task)) for task in tasks]):
                self._complete(record, time - left)

    def _use(self, key: tuple[int, int], record: Iteration, time: float, age: int = 0) -> bool:
        """Return whether the messages decode within the guard, with one more."""
        if self._dispatcher and not age:
            self._dispatcher.finish(*key, time - self._left[record.iteration])
        if not self._records_events:
            return self.decoder.arrive(key, age)
        self._message_event(Activity.USED, key, record.iteration - age, time)
        begin = self._clock()
        decodes = self.decoder.arrive(key, age)
        if self.decoder.weights_time:
            self._weights_event(begin, record.iteration)
        return decodes

    def _take_late(self, messages: list[Late], record: Iteration) -> None:
        """Account for messages that answer earlier iterations, and use them if the scheme does."""
        wasted, numbers, departures = messages, self.log.shape[1], self._left
        for worker, number, iteration, time, _ in messages:
            if number < numbers:  # otherwise it is a sum
                self.log.note(iteration, worker, number, time - departures.get(iteration, nan))
        if self.scheme.oldest:
            wasted = [late for late in messages if not self._use_late(late, record)]
        else:
            self.arrivals.payloads.free([late.row for late in messages])
        record.wasted_messages += len(wasted)
        if self._records_events:
            for late in wasted:
                key = late.worker, late.number
                self._message_event(Activity.WASTED, key, late.iteration, late.time)

    def _use_late(self, late: Late, record: Iteration) -> bool:
        """Return whether a message that answers an earlier iteration is held; if not, free it."""
        key, age = (late.worker, late.number), record.iteration - late.iteration
        if self._decodable:
            self.arrivals.payloads.free([late.row])
            return False
        if not self.arrivals.take(key, late.row, late.iteration):
            return False
        if self._use(key, record, late.time, age):
            self._complete(record, late.time - self._left[record.iteration])
        return True

    def _take_loss(self, loss: Loss, record: Iteration, elapsed: float) -> None:
        """Note that a worker was lost `elapsed` seconds after beta_t left."""
        iteration = record.iteration
        self._event(Activity.LOST, self.group.code_id, iteration, -1, loss.report.peer)
        self.on_loss(loss.report)
        self.absences.append(Absence(loss.worker, iteration, elapsed))
        if self._dispatcher:
            self._dispatcher.lose(loss.worker, elapsed)
        self._expect_less(loss.worker, None, record, elapsed)

    def _expect_less(
        self, worker: int, number: int | None, record: Iteration, elapsed: float
    ) -> None:
        """Expect no more messages of a worker; given a `number`, drop only that message."""
        if not self._decodable and self.decoder.lose(worker, number):
            self._complete(record, elapsed)

    def _complete(self, record: Iteration, elapsed: float) -> None:
        """Note that the gradient became decodable `elapsed` seconds after beta_t left."""
        self._decodable = True
        record.completion_time = elapsed
        left = self._left[record.iteration]
        self._event(Activity.DECODABLE, self.group.code_id, record.iteration, at=left + elapsed)
        record.messages_used = len(self.arrivals)
        record.extra_messages = self.decoder.extra
        record.error_amplification = self.decoder.amplification
        record.weights_time = self.decoder.weights_time

    def _message_event(
        self, activity: Activity, key: tuple[int, int], iteration: int, time: float
    ) -> None:
        """Record the arrival of a message as an event."""
        worker, number = key
        peer = self.group.members[worker]
        self._event(activity, self.group.code_id, iteration, number, peer, time)

    def _weights_event(self, begin: float, iteration: int) -> None:
        """Record as an event that decoding weights have been computed since `begin`."""
        self._event(Activity.WEIGHTS, self.group.code_id, iteration, at=begin)
        self._event(Activity.WAIT, self.group.code_id, iteration)

    def _decode(self, product: bool) -> Floats:
        """Return the gradient of the data, or the product, decoded from the arrived payloads."""
        weights, rows = self._weighted()
        gradient = self.group.transport.payloads.combine(weights, rows, self.group.layout)
        gradient = self.group.layout.unpack(gradient)
        if self.scheme.coded and not product:
            assert self.quadratic is not None
            gradient += self.quadratic.gradient
        return gradient

    def _weighted(self) -> tuple[Floats, list[int]]:
        """Return the decode weights, and the rows of the payload matrix that they multiply."""
        weights, order = self.decoder.weights, self.decoder.order
        if self.group.combines:
            order = self.arrivals.order
            return np.ones(len(order)), self.arrivals.rows(order)
        if weights.ndim == 1:
            (used,) = weights.nonzero()
            if len(used) < len(weights):  # copies of a block that are not needed
                weights, order = weights[used], [order[each] for each in used.tolist()]
        return weights, self.arrivals.rows(order)

    def _step(self, answer: Floats) -> None:
        """Update beta, and pass the loss at the point to an optimizer that needs it."""
        if not self.optimizer.needs_loss:
            self.optimizer.update(answer)
            return
        layout, point = self.group.layout, self.optimizer.point
        loss = self._loss_of(answer, point)
        if layout.extras:
            weights, rows = self._weighted()
            losses = self.group.transport.payloads.extras(rows, layout)[:, 0]
            data_loss: float = (weights @ losses).item()
            loss = data_loss + penalty(self.ridge, point)
        self.optimizer.update(answer, loss)

    def _loss_of(self, gradient: Floats, point: Floats) -> float | None:
        """Return the loss at a point if it follows from the gradient there, else None."""
        if not self.scheme.exact or self.quadratic is None:
            return None
        return self.quadratic.loss_at(point, gradient)

    def _error(self, gradient: Floats, point: Floats, iteration: int) -> float:
        """Return the relative error of the gradient.

        It is relative to the norm of the exact gradient, or of the first one if that is larger.
        Near the optimum the gradient is a difference smaller than the rounding errors of its terms,
        so an error relative to its own norm would say nothing.
        """
        assert self.exact_gradient is not None
        exact = self.exact_gradient(point, iteration)
        size = norm(exact)
        self.first_exact_norm = self.first_exact_norm or size
        scale = max(size, self.first_exact_norm)
        return norm(gradient - exact) / scale if scale else 0.0
