"""Who works: lost workers are replaced by spare and new ones, and their losses recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from time import monotonic, sleep

from coded_dgd.config import RunConfig
from coded_dgd.engine.distribute import distribute
from coded_dgd.engine.losses import describe, ranks
from coded_dgd.engine.master import Master
from coded_dgd.engine.observer import Observer
from coded_dgd.engine.protocol import Report
from coded_dgd.engine.transports.base import Transport
from coded_dgd.problems.sources import Source


class Staffing:
    """Replaces lost workers by spare and new ones, and records the losses.

    Parameters
    ----------
    transport : Transport
    source : Source
        Data of which a new worker gets its part.
    observer : Observer
        Is warned of losses and of replacements.
    workers : int
        Number of peers that work from the beginning; the others are spares.
    """

    def __init__(
        self, transport: Transport, source: Source, observer: Observer, workers: int
    ) -> None:
        self._transport, self._source, self._observer = transport, source, observer
        self._spares = list(range(workers, transport.workers))
        self._spawning = 0
        self._noted: set[int] = set()  # peers that are known to be lost
        self._before = 0  # number of losses before the checkpoint
        self.losses: list[Report] = []
        """Reports of all lost workers, in the order in which the losses were noticed."""

    @property
    def losses_here(self) -> list[Report]:
        """Losses since the checkpoint."""
        return self.losses[self._before :]

    def restore(self, losses: list[Report]) -> None:
        """Continue from the losses before a checkpoint."""
        self.losses, self._before = losses, len(losses)

    def assign(self, members: Collection[int]) -> None:
        """Let these peers work, and make all others spares."""
        self._spares = [peer for peer in range(self._transport.workers) if peer not in members]

    def dismiss(self, members: Iterable[int]) -> None:
        """Make these peers spares, except those that are lost."""
        self._spares += sorted(set(members) - set(self._transport.lost))

    def note(self, *reports: Report) -> None:
        """Record losses that are not known yet."""
        fresh = [report for report in reports if report.peer not in self._noted]
        if fresh:
            self.losses += fresh
            self._noted |= {report.peer for report in fresh}
            details = {report.traceback for report in fresh if report.traceback}
            self._observer.warning(describe(fresh), "\n".join(sorted(details)))

    def refill(self, master: Master, iteration: int, config: RunConfig, seconds: float) -> bool:
        """Replace lost workers by spare and new ones; return whether any was replaced.

        Parameters
        ----------
        master : Master
            Master of the workers.
        iteration : int
            Number of the next iteration.
        config : RunConfig
            How data are distributed, and whether new workers are started.
        seconds : float
            How long to wait for the first new worker if some are being started.
        """
        group, transport = master.group, self._transport
        self.note(*transport.lost.values())  # including spares
        lost = group.lost
        if not lost:
            return False
        self._spares = [peer for peer in self._spares if peer not in transport.lost]
        if config.replace:
            for _ in range(len(lost) - len(self._spares) - self._spawning):
                transport.spawn()
                self._spawning += 1
        self._await_spawned(seconds)
        filled = lost[: len(self._spares)]
        for worker in filled:
            group.replace(worker, self._spares.pop(0))
        if filled:
            master.back(filled, iteration)
            distribute(self._source, group, config, only=filled)
            self._observer.warning(
                f"rank {ranks(group.members[worker] + 1 for worker in filled)} in the place of "
                f"worker {ranks(worker + 1 for worker in filled)}"
            )
        return bool(filled)

    def _await_spawned(self, seconds: float) -> None:
        """Count workers that have been started as spares; wait for the first if there are none."""
        transport, deadline = self._transport, monotonic() + seconds
        while True:
            spawned = transport.spawned()
            self._spawning -= len(spawned)
            self._spares += spawned
            waiting = self._spawning and not self._spares and not transport.interrupted
            if not waiting or monotonic() >= deadline:
                break
            sleep(1e-3)
