"""The master's loop: the page to read first.

Per iteration: send beta_t, take messages as they come, decode as soon as those that have arrived
suffice within the guard, update beta, and let the next beta_t overtake the stragglers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from coded_dgd.engine.distribute import Distributed
from coded_dgd.engine.protocol import Floats, Point, Report, Result, describe_failure
from coded_dgd.engine.transports.base import Transport
from coded_dgd.errors import Undecodable, WorkerFailed
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems.optimizers import GradientDescent
from coded_dgd.schemes.base import Scheme


@dataclass
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
    """Loss at beta_t, where the scheme is exact and the gradient tells it: least squares."""
    gradient_error: float | None = None
    check_time: float = 0.0


class Master:
    """Runs the iterations over any transport.

    Parameters
    ----------
    transport : Transport
        With the data distributed.
    scheme : Scheme
    decoder : GuardedDecoder
    optimizer : GradientDescent
    data : Distributed
        What is known of the data.
    quadratic : bool
        Whether the objective is least squares.
    ridge : float
    exact_gradient : callable, optional
        For checking: the gradient computed on rank 0.

    Attributes
    ----------
    arrivals : (iterations, M, J) array
        Seconds from beta_t's leaving to each message's arrival, those that came too late included;
        nan where none has arrived.
    """

    def __init__(
        self,
        transport: Transport,
        scheme: Scheme,
        decoder: GuardedDecoder,
        optimizer: GradientDescent,
        data: Distributed,
        quadratic: bool,
        ridge: float = 0.0,
        exact_gradient: Callable[[Floats], Floats] | None = None,
    ) -> None:
        self.transport, self.scheme, self.decoder = transport, scheme, decoder
        self.optimizer, self.data, self.ridge = optimizer, data, ridge
        self.quadratic = quadratic
        self.exact_gradient = exact_gradient
        self._first_norm = 0.0
        # Row k holds the k-th payload to arrive; rows that none reaches take no memory.
        total = int(np.count_nonzero(scheme.expected))
        length = data.partition.height if scheme.gram else len(data.Xy)
        self._payloads = np.empty((total, length))
        self._left: list[float] = []  # when each beta_t left
        self.arrivals: Floats = np.empty((0, *scheme.expected.shape))

    def run(self, iterations: int) -> Iterator[Iteration]:
        """Run the iterations, one at a time, each as far as the update of beta."""
        self.arrivals = np.full((iterations, *self.scheme.expected.shape), np.nan)
        for iteration in range(iterations):
            yield self._iterate(iteration)

    def _iterate(self, iteration: int) -> Iteration:
        point = self.optimizer.point
        self.decoder.begin()
        self._left.append(self.transport.clock())
        record = Iteration(iteration, 0.0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None)

        # 1. beta_t leaves; workers that are still busy with an older one skip to it
        self.transport.broadcast(Point(iteration, point))

        # 2. messages stream in until they decode
        decoded = False
        limit = np.inf if self.scheme.deadline is None else self.scheme.deadline
        while not decoded:
            for message in self.transport.receive(self._left[iteration] + limit):
                if isinstance(message, Report):
                    raise WorkerFailed(describe_failure(message))
                decoded = self._take(message, record, decoded)
            if not decoded and self.transport.clock() >= self._left[iteration] + limit:
                self.decoder.expire()
                decoded = self._complete(record, limit)
            if not decoded and self.decoder.exhausted:
                raise Undecodable(
                    f"iteration {iteration}: all messages are here, but decoding them amplifies "
                    f"errors by {self.decoder.amplification:.1e}, above the guard: raise --guard"
                )

        # 3. decode: weighted sum of the payloads, and what the master knows itself
        begin = perf_counter()
        gradient = self._decode()
        record.decode_time = perf_counter() - begin

        # 4. update beta
        begin = perf_counter()
        gradient += self.ridge * point
        if self.scheme.exact and self.quadratic:
            record.loss = self._loss(point, gradient)
        record.gradient_norm = float(np.linalg.norm(gradient))
        self.optimizer.update(gradient)
        record.update_time = perf_counter() - begin

        if self.exact_gradient is not None:
            begin = perf_counter()
            record.gradient_error = self._error(gradient, point)
            record.check_time = perf_counter() - begin
        return record

    def _take(self, message: Result, record: Iteration, decoded: bool) -> bool:
        """Account for one message; return whether the gradient is decodable."""
        elapsed = message.time - self._left[message.iteration]
        self.arrivals[message.iteration, message.worker, message.message] = elapsed
        if decoded or message.iteration != record.iteration:
            record.wasted_messages += 1
            return decoded
        self._payloads[len(self.decoder.order)] = message.payload
        record.compute_time = max(record.compute_time, message.compute_seconds)
        record.overrun = max(record.overrun, message.overrun)
        if not self.decoder.arrive(message.worker, message.message):
            return False
        return self._complete(record, elapsed)

    def _complete(self, record: Iteration, elapsed: float) -> bool:
        """Note that the gradient is decodable now."""
        record.completion_time = elapsed
        record.messages_used = len(self.decoder.order)
        record.extra_messages = self.decoder.extra
        record.error_amplification = self.decoder.amplification
        record.weights_time = self.decoder.weights_time
        return True

    def _decode(self) -> Floats:
        """Gradient of the data from the payloads that have arrived."""
        weights = self.decoder.weights
        payloads = self._payloads[: len(weights)]
        if weights.ndim == 1 and not weights.all():  # copies of a block that are not needed
            used = np.flatnonzero(weights)
            weights, payloads = weights[used], payloads[used]
        gradient: Floats = weights @ payloads
        if self.scheme.pieces > 1:
            gradient = self.data.partition.join(gradient)
        if self.scheme.coded:
            gradient -= self.data.Xy
        return gradient

    def _loss(self, point: Floats, gradient: Floats) -> float:
        """Loss of least squares from its gradient g = (X^T X + ridge I) beta - X^T y."""
        return float(point @ (gradient - self.data.Xy) + self.data.yy) / 2

    def _error(self, gradient: Floats, point: Floats) -> float:
        """Error of the gradient, relative to the exact one, or to the first where that is larger.

        Near the optimum the gradient is a difference that is less than the rounding errors of its
        terms: then nobody knows it to any number of digits, and errors count as before.
        """
        assert self.exact_gradient is not None
        exact = self.exact_gradient(point)
        norm = float(np.linalg.norm(exact))
        self._first_norm = self._first_norm or norm
        scale = max(norm, self._first_norm)
        return float(np.linalg.norm(gradient - exact)) / scale if scale else 0.0
