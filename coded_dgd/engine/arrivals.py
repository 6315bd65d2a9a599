"""What is held of one code: for each message the iteration that it answers, its time, its row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from coded_dgd.engine.payloads import Payloads


class Arrival(NamedTuple):
    """The latest arrival of one message of one worker."""

    iteration: int
    """The iteration that it answers."""
    elapsed: float
    """Seconds from the departure of beta_t of that iteration to the arrival."""
    row: int
    """Row of the payload matrix that holds the message."""


class Arrivals:
    """The messages of one code whose payloads are held, by worker and message number.

    Parameters
    ----------
    payloads : Payloads
        The payload matrix that holds the rows.
    oldest : int
        Age in iterations up to which messages are held; 0 for only those of the current one.
    """

    def __init__(self, payloads: Payloads, oldest: int = 0) -> None:
        self.payloads, self._oldest = payloads, oldest
        self._iteration = 0
        self.held: dict[tuple[int, int], Arrival] = {}
        """In the order of arrival."""

    def begin(self, iteration: int) -> None:
        """Begin or repeat an iteration: free the messages that are too old, and its own."""
        self._iteration = iteration
        self._keep(range(iteration - self._oldest, iteration))

    def take(self, key: tuple[int, int], arrival: Arrival) -> bool:
        """Hold a message unless it is too old, or a newer one of the same number is held.

        The row of the message that is not held is freed.

        Returns
        -------
        bool
            Whether the message is held.
        """
        before = self.held.get(key)
        newest = self._iteration - self._oldest - 1 if before is None else before.iteration
        if arrival.iteration <= newest:
            self.payloads.free([arrival.row])
            return False
        if before is not None:
            del self.held[key]  # the newer one comes last
            self.payloads.free([before.row])
        self.held[key] = arrival
        return True

    def end(self) -> None:
        """Free the messages that no later iteration can use."""
        self._keep(range(self._iteration + 1 - self._oldest, self._iteration + 1))

    def close(self) -> None:
        """Free everything: no later iteration uses this code."""
        self._keep(range(0))

    def ages(self) -> dict[tuple[int, int], int]:
        """Return the age of each message in iterations, by worker and number."""
        return {key: self._iteration - each.iteration for key, each in self.held.items()}

    def rows(self, order: Iterable[tuple[int, int]]) -> list[int]:
        """Return the rows of these messages, given by worker and number."""
        return [self.held[key].row for key in order]

    def _keep(self, iterations: range) -> None:
        """Free the messages that do not answer one of these iterations."""
        if not iterations:
            self.payloads.free([each.row for each in self.held.values()])
            self.held.clear()
            return
        for key in [key for key, each in self.held.items() if each.iteration not in iterations]:
            self.payloads.free([self.held.pop(key).row])
