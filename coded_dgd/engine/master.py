"""The master's loop: the page to read first.

Per iteration: send beta_t, take messages as they come, decode as soon as those that have arrived
suffice within the guard, update beta, and let the next beta_t overtake the stragglers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from coded_dgd.engine.distribute import DataSums
from coded_dgd.engine.protocol import Floats, Point, Report, Result
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
    overrun: float
    """The longest that real computing went beyond an injected delay."""
    gradient_norm: float
    loss: float | None
    """Loss at beta_t, where the scheme is exact and the gradient tells it."""
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
    sums : DataSums
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
        sums: DataSums,
        ridge: float = 0.0,
        exact_gradient: Callable[[Floats], Floats] | None = None,
    ) -> None:
        self.transport, self.scheme, self.decoder = transport, scheme, decoder
        self.optimizer, self.sums, self.ridge = optimizer, sums, ridge
        self.exact_gradient = exact_gradient
        # Row k holds the k-th payload to arrive; rows that none reaches take no memory.
        total = int(np.count_nonzero(scheme.expected))
        self._payloads = np.empty((total, len(sums.Xy)))
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
        record = Iteration(iteration, 0.0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None)

        # 1. beta_t leaves; workers that are still busy with an older one skip to it
        self.transport.broadcast(Point(iteration, point))

        # 2. messages stream in until they decode
        decoded = False
        while not decoded:
            for message in self.transport.receive():
                if isinstance(message, Report):
                    raise WorkerFailed(describe_failure(message))
                decoded = self._take(message, record, decoded)
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
        if self.scheme.exact:
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
        record.overrun = max(record.overrun, message.overrun)
        if not self.decoder.arrive(message.worker, message.message):
            return False
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
        if not weights.all():  # copies of a block that are not needed
            used = np.flatnonzero(weights)
            weights, payloads = weights[used], payloads[used]
        gradient: Floats = weights @ payloads
        if self.scheme.coded:
            gradient -= self.sums.Xy
        return gradient

    def _loss(self, point: Floats, gradient: Floats) -> float:
        """Loss of least squares from its gradient g = (X^T X + ridge I) beta - X^T y."""
        return float(point @ (gradient - self.sums.Xy) + self.sums.yy) / 2

    def _error(self, gradient: Floats, point: Floats) -> float:
        """Error of the gradient, relative to the exact one or, where they cancel, to its terms.

        The gradient is the difference of (X^T X + ridge I) beta and X^T y. Near the optimum it is
        less than their rounding errors: then nobody knows it to any number of digits.
        """
        assert self.exact_gradient is not None
        exact = self.exact_gradient(point)
        norm = np.linalg.norm
        scale = max(norm(exact), norm(exact + self.sums.Xy), norm(self.sums.Xy))
        return float(norm(gradient - exact) / scale) if scale else 0.0


def describe_failure(report: Report) -> str:
    """One line that names rank, host, iteration and cause."""
    return (
        f"rank {report.worker + 1} on {report.host} failed in iteration {report.iteration}: "
        f"{report.failure}"
    )
