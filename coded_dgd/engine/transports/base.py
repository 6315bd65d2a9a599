"""The interface between the master's loop and a transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from coded_dgd.engine.events import MASTER_EVENTS, EventRecorder, RankEvents
from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.protocol import (
    Assignment,
    Logs,
    News,
    Point,
    Ready,
    Reals,
    Report,
)

if TYPE_CHECKING:
    from coded_dgd.problems.sparse import SparseRows

STOP_SECONDS = 10.0
"""Seconds that workers may take to stop."""


@dataclass(slots=True)
class Batch:
    """Everything that has arrived at the master since the previous call.

    The first four lists have one entry per message, in order of arrival.
    """

    peers: list[int] = field(default_factory=list)
    """Senders of the messages."""
    rows: list[int] = field(default_factory=list)
    """Rows of the payload matrix that hold the messages. The receiver of the batch owns them."""
    lengths: list[int] = field(default_factory=list)
    """Lengths of the bodies, in numbers of the payload's type; negative without a header."""
    times: list[float] = field(default_factory=list)
    """Instants of arrival in seconds, on the clock of the transport."""
    losses: list[Report] = field(default_factory=list)
    """Reports of peers that have been lost."""

    def __bool__(self) -> bool:
        return bool(self.peers or self.losses)


class Transport(ABC):
    """The master's side of the connections to its peers, the worker processes.

    Peers 0..workers-1 started with the job; `spawn` may add others. A peer that fails, or whose
    process is lost, appears once as a `Report` with a failure in what `receive` returns, and from
    then on in `lost`. Messages to a lost peer are discarded.
    """

    workers: int
    host: str
    """Name of the machine on which the master runs."""
    shares_memory: bool = False
    """Whether peers of one host may share blocks."""

    def __init__(self) -> None:
        self.payloads = Payloads()
        """Buffers that receive the messages."""
        self.lost: dict[int, Report] = {}
        """Report of each lost peer, with the cause."""
        self.interrupted = False
        """Whether `receive` must return at once; it may be set at any time."""
        self.late_results: Counter[int] = Counter()
        """Number of late results by code id: they arrived while another group was receiving."""
        self.codes = 0
        """Number of code ids in use."""
        self.events: EventRecorder | None = None
        """The master's own timeline events; None if no timeline is recorded."""
        self.worker_events: dict[int, RankEvents] = {}
        """Timeline events by peer, of the peers that answered `stop`."""
        self.logs: Logs | None = None
        """Where ranks write their logs; None for no logs."""
        self.ready: dict[tuple[int, int], Ready] = {}
        """The `Ready` messages, by peer and code id."""
        self.meanwhile: list[Callable[[], bool]] = []
        """Small pieces of work to do while nothing arrives; each returns whether it did any."""
        self.silence = inf
        """Seconds without a sign of life after which a peer counts as lost."""

    def new_code(self) -> int:
        """Return a new code id."""
        self.codes += 1
        return self.codes - 1

    def record_events(self) -> None:
        """Record a timeline on every rank. Call it before the first assignment is sent."""
        self.events = EventRecorder(self.clock, MASTER_EVENTS)

    @abstractmethod
    def clock(self) -> float:
        """Return the seconds since some fixed instant; virtual if the transport simulates."""

    def set_clock(self, now: float) -> None:
        """Set the clock to this instant, if it is virtual."""

    @abstractmethod
    def assign(self, peer: int, assignment: Assignment) -> None:
        """Send a peer its assignment."""

    @abstractmethod
    def piece(self, peer: int, start: int, X: Reals | SparseRows, y: Reals | None) -> None:
        """Send a peer the rows from `start` on of the blocks of its latest assignment, in order.

        The transport takes ownership of the arrays, which are those of `Blocks.load`.
        """

    @abstractmethod
    def broadcast(self, point: Point, peers: Iterable[int]) -> None:
        """Send a point to these peers without waiting; it overtakes any earlier one."""

    @abstractmethod
    def tell(self, peer: int, news: News) -> None:
        """Send a peer news of its tasks without waiting.

        A change may overtake the point of its iteration. Own tasks come before the next point.
        """

    @abstractmethod
    def receive(self, until: float = inf, enough: int = 1) -> Batch:
        """Wait for something to arrive; then return all that has.

        Parameters
        ----------
        until : float
            Instant until which to wait at most.
        enough : int
            Number of messages with which to return. A transport may return with fewer at any time.
        """

    def wait_for(self, condition: Callable[[], bool], seconds: float = inf) -> bool:
        """Keep arriving messages for later until a condition holds, and return whether it does.

        The wait ends after `seconds`, or at once if the transport is interrupted.
        """
        del seconds
        return condition()

    @abstractmethod
    def host_of(self, peer: int) -> str:
        """Return the name of the machine on which a peer runs."""

    def cores_of(self, peer: int) -> int:
        """Return the number of cores that the peer may use; 1 if it is unknown."""
        return 1

    def dismiss(self, peer: int, iteration: int, cause: str) -> None:
        """Treat a peer as lost although its process is alive."""
        report = Report(peer, self.host_of(peer), 0, 0.0, 0.0, iteration, cause)
        self.lost.setdefault(peer, report)

    def spawn(self) -> None:
        """Start another worker in the background, if the transport can."""

    def spawned(self) -> list[int]:
        """Return the peers that `spawn` has started and that are ready, each once."""
        return []

    @abstractmethod
    def stop(self, timeout: float) -> tuple[list[Report], int]:
        """Stop the workers within `timeout` seconds.

        Returns
        -------
        reports : list of Report
            The report of each worker that answered.
        drained : int
            Number of results that arrived after the last iteration.
        """
