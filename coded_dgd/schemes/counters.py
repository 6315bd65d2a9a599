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
    if isinstance(counter, Countdown):
        return counter.take_all(keys)
    for taken, key in enumerate(keys, 1):
        if counter(*key):
            return taken, True
    return len(keys), False
