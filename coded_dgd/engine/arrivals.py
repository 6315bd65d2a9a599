"""What is held of one code: for each message the row that holds it, and its iteration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coded_dgd.engine.payloads import Payloads


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
        self._rows: dict[tuple[int, int], int] = {}  # in the order of arrival
        self._answered: dict[tuple[int, int], int] = {}
        """Iteration that each message answers."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def order(self) -> list[tuple[int, int]]:
        """The messages in the order of arrival."""
        return [*self._rows]

    def begin(self, iteration: int) -> None:
        """Begin or repeat an iteration: free the messages that are too old, and its own."""
        self._iteration = iteration
        self._keep(range(iteration - self._oldest, iteration))

    def take(self, key: tuple[int, int], row: int, iteration: int) -> bool:
        """Hold a message unless it is too old, or a newer one of the same number is held.

        The row of the message that is not held is freed.

        Parameters
        ----------
        iteration : int
            The iteration that the message answers.

        Returns
        -------
        bool
            Whether the message is held.
        """
        newest = self._answered.get(key, self._iteration - self._oldest - 1)
        if iteration <= newest:
            self.payloads.free([row])
            return False
        if key in self._rows:
            self.payloads.free([self._rows.pop(key)])  # the newer one comes last
        self._rows[key], self._answered[key] = row, iteration
        return True

    def take_all(self, keys: Sequence[tuple[int, int]], rows: Iterable[int]) -> None:
        """Hold messages of the current iteration, none of which is held."""
        self._rows.update(zip(keys, rows, strict=True))
        self._answered.update(dict.fromkeys(keys, self._iteration))

    def are_new(self, keys: Sequence[tuple[int, int]]) -> bool:
        """Return whether none of these messages is held, and all are different."""
        return self._rows.keys().isdisjoint(keys) and len(set(keys)) == len(keys)

    def end(self) -> None:
        """Free the messages that no later iteration can use."""
        self._keep(range(self._iteration + 1 - self._oldest, self._iteration + 1))

    def close(self) -> None:
        """Free everything: no later iteration uses this code."""
        self._keep(range(0))

    def ages(self) -> dict[tuple[int, int], int]:
        """Return the age of each message in iterations, by worker and number, in order."""
        return {key: self._iteration - self._answered[key] for key in self._rows}

    def rows(self, order: Iterable[tuple[int, int]]) -> list[int]:
        """Return the rows of these messages, given by worker and number."""
        return [self._rows[key] for key in order]

    def _keep(self, iterations: range) -> None:
        """Free the messages that do not answer one of these iterations."""
        if not self._rows:
            return
        if not iterations:
            self.payloads.free(self._rows.values())
            self._rows.clear()
            self._answered.clear()
            return
        for key in [key for key, each in self._answered.items() if each not in iterations]:
            self.payloads.free([self._rows.pop(key)])
            del self._answered[key]
