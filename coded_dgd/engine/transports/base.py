"""What the master loop needs of a transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from coded_dgd.engine.events import MASTER_EVENTS, EventRecorder, RankEvents
from coded_dgd.engine.payloads import Payloads
from coded_dgd.engine.protocol import Assignment, Logs, Point, Ready, Reals, Report, Task

if TYPE_CHECKING:
    from coded_dgd.problems.sparse import SparseRows

STOP_SECONDS = 10.0
"""How long workers may take to stop."""


@dataclass(slots=True)
class Batch:
    """What has arrived at the master since it last asked.

    The first four lists have an entry for each message, in the order of arrival.
    """

    peers: list[int] = field(default_factory=list)
    """The sender."""
    rows: list[int] = field(default_factory=list)
    """The row of the payload matrix that holds the message. The receiver of the batch owns it."""
    lengths: list[int] = field(default_factory=list)
    """Length of the body, in numbers of the payload's type; negative where it has no header."""
    times: list[float] = field(default_factory=list)
    """Instant of arrival in seconds, by the clock of the transport."""
    losses: list[Report] = field(default_factory=list)
    """Peers that have been lost."""

    def __bool__(self) -> bool:
        return bool(self.peers or self.losses)


class Transport(ABC):
    """The master's side of the connections to its peers, the workers.

    Peers 0..workers-1 are those that started with the job; `spawn` may add others. A peer that
    fails or whose process is lost shows up once, as a `Report` with a failure among what `receive`
    returns, and from then on in `lost`; what is sent to it goes nowhere.
    """

    workers: int
    host: str
    """Where the master runs."""
    shares_memory: bool = False
    """Whether peers of one host may hold blocks together."""

    def __init__(self) -> None:
        self.payloads = Payloads()
        """Where messages are received."""
        self.lost: dict[int, Report] = {}
        """Why, by peer."""
        self.interrupted = False
        """Set, at any time, to make `receive` return at once with what there is."""
        self.late_results: Counter[int] = Counter()
        """Results that came in while another lane was waited for, by lane."""
        self.codes = 0
        """How many lanes there are."""
        self.events: EventRecorder | None = None
        """The master's own, where a timeline is wanted."""
        self.worker_events: dict[int, RankEvents] = {}
        """By peer, of those that answered `stop`, where a timeline is wanted."""
        self.logs: Logs | None = None
        """Where ranks write their logs, if they are to."""
        self.ready: dict[tuple[int, int], Ready] = {}
        """What peers have said of the data of a lane, by peer and lane."""
        self.meanwhile: list[Callable[[], bool]] = []
        """What may be done piece by piece while nothing arrives; each returns whether it has."""
        self.silence = inf
        """Seconds after which a peer that gives no sign of life is lost."""

    def new_code(self) -> int:
        """Return the number of a lane that nobody has."""
        self.codes += 1
        return self.codes - 1

    def record_events(self) -> None:
        """Have it taken down what every rank does from when on; before any plan is sent."""
        self.events = EventRecorder(self.clock, MASTER_EVENTS)

    @abstractmethod
    def clock(self) -> float:
        """Seconds since some instant; virtual where the transport simulates."""

    def set_clock(self, now: float) -> None:
        """Go on from this instant, where the clock is virtual."""

    @abstractmethod
    def assign(self, peer: int, assignment: Assignment) -> None:
        """Tell a peer what it holds and does."""

    @abstractmethod
    def piece(self, peer: int, start: int, X: Reals | SparseRows, y: Reals | None) -> None:
        """Give a peer rows `start`, ... of the blocks of its latest plan, in order.

        The arrays are the transport's now.
        """

    @abstractmethod
    def broadcast(self, point: Point, peers: Iterable[int]) -> None:
        """Send a point to these peers without waiting; it overtakes any earlier one."""

    @abstractmethod
    def tell(self, peer: int, task: Task) -> None:
        """Send a task to a peer without waiting; it may overtake the point of its iteration."""

    @abstractmethod
    def receive(self, until: float = inf, enough: int = 1) -> Batch:
        """Wait for something to arrive; then return all that has.

        Parameters
        ----------
        until : float
            Instant until which to wait at most.
        enough : int
            Number of messages with which to return. With fewer it returns where a peer is lost or
            the transport is interrupted, and a transport may do so at any time.
        """

    def wait_for(self, condition: Callable[[], bool], seconds: float = inf) -> bool:
        """Take in what comes, for later, until a condition holds; return whether it does.

        It is not waited for longer than `seconds`, nor where the transport is interrupted.
        """
        del seconds
        return condition()

    @abstractmethod
    def host_of(self, peer: int) -> str:
        """Name of the machine that a peer runs on."""

    def cores_of(self, peer: int) -> int:
        """Cores of it that the peer may use; 1 where that is not known."""
        return 1

    def dismiss(self, peer: int, iteration: int, cause: str) -> None:
        """Count a peer among the lost though it lives."""
        report = Report(peer, self.host_of(peer), 0, 0.0, 0.0, iteration, cause)
        self.lost.setdefault(peer, report)

    def spawn(self) -> None:
        """Start another worker in the background, where that can be done."""

    def spawned(self) -> list[int]:
        """Return the peers that `spawn` has started and that are ready, each once."""
        return []

    @abstractmethod
    def stop(self, timeout: float) -> tuple[list[Report], int]:
        """Stop the workers within `timeout` seconds.

        Returns
        -------
        reports : list of Report
            From each worker that answered.
        drained : int
            Results that arrived after the last iteration.
        """
