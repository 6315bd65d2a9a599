"""Messages that are not used because they make no sense are counted, and warned of once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.observer import Observer


class Refused(NamedTuple):
    """Messages of a peer that were not used because they make no sense."""

    peer: int
    reason: str
    messages: int


class Refusals:
    """Counts the messages that are not used because they make no sense, and warns of them once.

    Parameters
    ----------
    observer : Observer
        Is warned once for each peer and reason.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._groups: list[WorkerGroup] = []
        self._before: Counter[tuple[int, str]] = Counter()  # before the checkpoint
        self._noted: set[tuple[int, str]] = set()

    def watch(self, group: WorkerGroup) -> None:
        """Count the messages of one more group, too."""
        self._groups.append(group)

    @property
    def counts(self) -> Counter[tuple[int, str]]:
        """Number of messages not used because they make no sense, by peer and reason."""
        return sum((group.refused for group in self._groups), self._before)

    def note(self) -> None:
        """Warn, once for each worker and reason, that messages were not used."""
        refused = {who for group in self._groups for who in group.refused}
        for peer, reason in sorted(refused - self._noted):
            self._observer.warning(f"messages of rank {peer + 1} are not used: {reason}")
        self._noted = refused

    def state(self) -> list[Refused]:
        """Return the counts for a checkpoint."""
        return [Refused(*who, count) for who, count in self.counts.items()]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        """Continue from counts that `state` has returned."""
        for each in state:
            refused = Refused(*each)
            self._before[refused.peer, refused.reason] = refused.messages
