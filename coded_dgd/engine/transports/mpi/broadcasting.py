"""A value of rank 0 becomes known to all ranks of a communicator, which wait without load."""

from __future__ import annotations

import pickle
from math import inf
from typing import Any

from coded_dgd.engine.transports import ending
from coded_dgd.engine.transports.mpi.library import MPI, Pause
from coded_dgd.engine.transports.mpi.rendezvous import Assembly, communicator, meet

IDLE_PAUSE = (5e-5, 2e-2)
"""Shortest and longest sleep between two tests, in seconds, of ranks that may wait for hours."""
LENGTH_BYTES = 8


def broadcast(comm: Any | None, value: object = None) -> object:
    """Return the value that rank 0 gives, on every rank of a communicator; all ranks call this.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm, optional
        By default all ranks (COMM_WORLD). As for `train`, messages of the caller on it are not
        affected.
    value : object
        The value, which can be pickled; only that of rank 0 counts.

    Returns
    -------
    object
        On rank 0 `value` itself, on the other ranks a copy.

    Raises
    ------
    UsageError
        `comm` is no intracommunicator, or this rank does not belong to it.
    pickle.PicklingError, TypeError, AttributeError
        On rank 0, if `value` cannot be pickled; the other ranks then still wait for a value.

    Notes
    -----
    A rank that waits sleeps up to 20 ms between tests, and less if it has waited less. If rank 0,
    or a rank that MPI needs for the call, has ended, the job is ended and the call does not return.
    """
    private = meet(communicator(comm))
    text = pickle.dumps(value, pickle.HIGHEST_PROTOCOL) if private.rank == 0 else b""
    length = bytearray(len(text).to_bytes(LENGTH_BYTES, "little"))
    _complete(private, length)
    content = bytearray(text) or bytearray(int.from_bytes(length, "little"))
    _complete(private, content)
    return value if private.rank == 0 else pickle.loads(content)


def _complete(comm: MPI.Intracomm, content: bytearray) -> None:
    """Give the bytes of rank 0 to all ranks of a communicator, all of which know their number."""
    waiting, pause = Assembly(comm, patience=inf), Pause(IDLE_PAUSE)
    try:
        request = comm.Ibcast([content, MPI.BYTE], 0)
        while not request.Test():
            waiting.look([] if comm.rank == 0 else [0])
            pause()
    except MPI.Exception:
        ending.wait_for_turn(comm.rank)
        ending.end_job("a rank was lost between two trainings: the job is ended")
