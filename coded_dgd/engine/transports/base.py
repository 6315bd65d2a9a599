"""What the master loop needs of a transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import inf

from coded_dgd.engine.protocol import Floats, Plan, Point, Report, Result

STOP_SECONDS = 10.0
"""How long workers may take to stop."""


class Transport(ABC):
    """The master's side of the connections to workers 0..M-1.

    A worker that fails shows up as a `Report` with a failure among what `receive` yields. Today
    the master ends the job then; a transport over an MPI that survives the loss of a process can
    report that loss in the same way.
    """

    workers: int

    @abstractmethod
    def clock(self) -> float:
        """Seconds since some instant; virtual where the transport simulates."""

    @abstractmethod
    def plan(self, plan: Plan) -> None:
        """Tell worker ``plan.worker`` what it holds and does."""

    @abstractmethod
    def piece(self, worker: int, start: int, X: Floats, y: Floats | None) -> None:
        """Give a worker rows `start`, ... of its blocks; the arrays are the transport's now."""

    @abstractmethod
    def broadcast(self, point: Point) -> None:
        """Send a point to every worker without waiting; it overtakes any earlier one."""

    @abstractmethod
    def receive(self, until: float = inf) -> Iterator[Result | Report]:
        """Wait for something to arrive, at most until `until`; then yield all that has."""

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
