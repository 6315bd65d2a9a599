"""The rendezvous of the ranks of a communicator for `train`, which names the missing ranks.

The first time, the ranks duplicate the communicator, so that user messages and ours never mix.
Until then only non-blocking collectives use it, which no receive of the user can match. The others
wait for a rank that is late; if a rank has ended, the job is ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from time import monotonic
from typing import Any, NoReturn

from coded_dgd import streams
from coded_dgd.engine.losses import ranks as numbers
from coded_dgd.engine.transports import ending
from coded_dgd.engine.transports.mpi.library import (
    MPI,
    WORKER_PAUSE,
    Pause,
    failed_ranks,
    fault_tolerant,
    world,
)
from coded_dgd.errors import UsageError
from coded_dgd.host.open_mpi import all_here, lost_here

LOOK_SECONDS = 1.0
"""Seconds between two checks of the ranks that are missing."""
NAMING_SECONDS = 5.0
"""Seconds after which rank 0 names the missing ranks, and rank 1 names a missing rank 0.
Each further rank waits four times as long as the one before it.
"""


def communicator(comm: Any) -> MPI.Intracomm:
    """Return the communicator to train on, by default COMM_WORLD.

    Raises
    ------
    UsageError
        `comm` is no intracommunicator, or this rank does not belong to it.
    """
    if comm is None:
        return world()
    if not isinstance(comm, MPI.Intracomm):
        given = "an intercommunicator" if isinstance(comm, MPI.Intercomm) else repr(comm)[:80]
        raise UsageError(f"train: comm has to be an intracommunicator of mpi4py, not {given}")
    if comm == MPI.COMM_NULL:
        raise UsageError(
            "train: comm is MPI.COMM_NULL: only the ranks that belong to a communicator call train"
        )
    world()
    return comm


def meet(comm: MPI.Intracomm) -> MPI.Intracomm:
    """Return the duplicate of a communicator, once all of its ranks have called this.

    If one of them has ended, the job is ended and the call does not return.
    """
    duplicate = comm.Get_attr(_keyval())
    if not isinstance(duplicate, MPI.Intracomm):
        if comm.rank == 0:
            ending.start_guardian()
        (master,) = comm.group.Translate_ranks([0], MPI.COMM_WORLD.group)
        if fault_tolerant() and all_here():
            ending.end_with_others(master)
        ending.skip_finalize(lambda: bool(failed_ranks()))
        duplicate = _duplicate(comm)
        comm.Set_attr(_keyval(), duplicate)
    return duplicate


@lru_cache(maxsize=1)
def _keyval() -> int:
    """Return the key under which a communicator keeps its duplicate, to be freed with it."""

    def free(_: MPI.Comm, __: int, duplicate: MPI.Intracomm) -> None:
        if not failed_ranks():  # freeing takes all ranks
            duplicate.Free()

    return MPI.Comm.Create_keyval(delete_fn=free)


def _duplicate(comm: MPI.Intracomm) -> MPI.Intracomm:
    size, waiting = comm.size, Assembly(comm)
    # rank 0 finds out who has arrived, and the other ranks whether rank 0 has
    come = bytearray(size)
    parts = [come, [1] * size, list(range(size)), MPI.BYTE]
    mine, master = bytearray(b"\1"), bytearray(1)
    try:
        gathered = comm.Igatherv([mine, MPI.BYTE], parts if comm.rank == 0 else None)
        scattered = comm.Iscatterv(
            [bytearray(b"\1" * size), *parts[1:]] if comm.rank == 0 else None, [master, MPI.BYTE]
        )
        duplicate, duplicated = comm.Idup()
        pause = Pause(WORKER_PAUSE)
        requests = [gathered, scattered, duplicated]
        while requests := [request for request in requests if not request.Test()]:
            if comm.rank == 0:
                waiting.look([rank for rank in range(1, size) if not come[rank]])
            else:
                waiting.look([] if master[0] else [0])
            pause()
    except MPI.Exception:
        waiting.give_up("a rank was lost before it called train")
    duplicate.Set_errhandler(MPI.ERRORS_RETURN)
    return duplicate


class Assembly:
    """The wait of one rank of a communicator for other ranks.

    Parameters
    ----------
    comm : MPI.Intracomm
    patience : float
        Seconds after which missing ranks are named; infinite if they may be missing for any time.
    """

    def __init__(self, comm: MPI.Intracomm, patience: float = NAMING_SECONDS) -> None:
        self._rank, self._size = comm.rank, comm.size
        everyone = list(range(comm.size))
        self._world = comm.group.Translate_ranks(everyone, MPI.COMM_WORLD.group)
        self._begin = monotonic()
        self._next_look = self._begin + LOOK_SECONDS
        self._naming = patience * 4 ** max(comm.rank - 1, 0)
        self._missing: set[int] = set()
        """Ranks of COMM_WORLD whose processes were gone at the last check."""

    def look(self, missing: Sequence[int]) -> None:
        """Name the missing ranks from time to time; end the job if one of them has ended."""
        now = monotonic()
        if not missing or now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        reports_ready = {self._world[rank]: rank for rank in missing}
        if ended := ending.have_ended(reports_ready):
            who = self._named([reports_ready[rank] for rank in ended])
            self.give_up(f"{who} ended without calling train")
        if self._rank == 0:
            gone = lost_here(MPI.COMM_WORLD.size) & reports_ready.keys()
            if lost := gone & self._missing:
                who = self._named([reports_ready[rank] for rank in lost])
                self.give_up(f"{who} was lost before it called train")
            self._missing = gone
        if now - self._begin >= self._naming:
            self._naming *= 4
            print(
                f"coded-dgd: {self._named([self._rank])} has waited in train for "
                f"{now - self._begin:.0f} s: {self._named(missing)} "
                f"{'have' if len(missing) > 1 else 'has'} not called it yet",
                file=streams.messages(),
                flush=True,
            )

    def give_up(self, cause: str) -> NoReturn:
        """End the job, in which this rank waits in vain."""
        ending.wait_for_turn(self._rank)
        ending.end_job(
            f"{cause}, where {self._named([self._rank])} waits for it: the job is ended; every "
            "rank of a communicator has to call train (comm=... trains on a part of the ranks)"
        )
        raise AssertionError("neither MPI nor a launcher has ended the job")

    def _named(self, ranks: Sequence[int]) -> str:
        """Return the names of ranks, with their numbers in COMM_WORLD if these differ."""
        text = f"rank{'s' if len(ranks) > 1 else ''} {numbers(ranks)}"
        world_ranks = [self._world[rank] for rank in ranks]
        if list(ranks) == world_ranks:
            return text
        return f"{text} of comm ({numbers(world_ranks)} of COMM_WORLD)"
