"""Counters take the messages of one iteration, and say when they suffice (`Rule.counter`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Counter = Callable[[int, int], bool]
"""Type of a counter, called with worker and message number; see `Rule.counter`."""


class Countdown:
    """A counter of messages of which any `left` suffice, so that it can take many at once.

    Parameters
    ----------
    left : int
        Number of messages that suffice, 1 or more.
    """

    def __init__(self, left: int) -> None:
        self._left = left

    def __call__(self, worker: int, message: int) -> bool:
        """Take one message; see `Rule.counter`."""
        self._left -= 1
        return self._left <= 0

    def take_all(self, keys: Sequence[tuple[int, int]]) -> tuple[int, bool]:
        """Take messages, one after the other, until they suffice; see `take_all`."""
        taken = min(self._left, len(keys))
        self._left -= taken
        return taken, self._left <= 0


class Covering:
    """A counter of messages that suffice once they carry so many different blocks.

    It can take many messages at once: as long as k blocks are missing, fewer than k messages do
    not suffice.

    Parameters
    ----------
    needed : int
        Number of different blocks, 1 or more.
    blocks : list of list of int
        Block that each message carries, by worker and number.
    """

    def __init__(self, needed: int, blocks: list[list[int]]) -> None:
        self._needed, self._blocks, self._covered = needed, blocks, set[int]()

    def __call__(self, worker: int, message: int) -> bool:
        """Take one message; see `Rule.counter`."""
        self._covered.add(self._blocks[worker][message])
        return len(self._covered) >= self._needed

    def take_all(self, keys: Sequence[tuple[int, int]]) -> tuple[int, bool]:
        """Take messages, one after the other, until they suffice; see `take_all`."""
        taken, missing = 0, self._needed - len(self._covered)
        while missing > 0 and taken < len(keys):
            some = keys[taken : taken + missing]
            self._covered.update([self._blocks[worker][message] for worker, message in some])
            taken, missing = taken + len(some), self._needed - len(self._covered)
        return taken, missing <= 0


def take_all(counter: Counter, keys: Sequence[tuple[int, int]]) -> tuple[int, bool]:
    """Let a counter take messages, one after the other, until they suffice.

    Parameters
    ----------
    counter : callable
        What `Rule.counter` returns, while the messages so far do not suffice.
    keys : sequence of (int, int)
        Workers and numbers of the messages, in the order of arrival.

    Returns
    -------
    taken : int
        Number of messages taken, the first ones.
    suffice : bool
        Whether all messages so far suffice.
    """
    if isinstance(counter, (Countdown, Covering)):
        return counter.take_all(keys)
    for taken, key in enumerate(keys, 1):
        if counter(*key):
            return taken, True
    return len(keys), False
