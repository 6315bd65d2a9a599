"""The messages of a worker rank to rank 0, until they are sent."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from coded_dgd.engine.protocol import Reals
from coded_dgd.engine.transports.mpi.library import MPI, RESULT

SMALL_BYTES = 1 << 14
"""Size in bytes of the largest results that have buffers of their own, which are used again."""

Ring = deque[tuple[Reals, MPI.Prequest]]
"""Buffers of one size and type, and the sends from them, in the order of their next use."""


class Outbox:
    """Sends messages to rank 0 without waiting, and keeps them until they are sent.

    Small results of one size are written to buffers that are used in turn. The send from each
    buffer is set up once. There is one more buffer whenever the next one is still being sent.

    Parameters
    ----------
    comm : MPI.Comm
    leave : callable
        Called when MPI fails, since then rank 0 is gone.
    """

    def __init__(self, comm: MPI.Comm, leave: Callable[[], NoReturn]) -> None:
        self._comm, self._leave = comm, leave
        self._rings: defaultdict[tuple[int, np.dtype[Any]], Ring] = defaultdict(deque)
        """Buffers by size and type."""
        self._ring: Ring = deque()
        """Buffers of the size and type that were last asked for."""
        self._sending: deque[tuple[MPI.Request, Any]] = deque()

    def zeros(self, size: int, dtype: np.dtype[Any]) -> Reals:
        """Return a result of zeros, which is sent or given up before the next is asked for."""
        if size * dtype.itemsize > SMALL_BYTES:
            return np.zeros(size, dtype)
        ring = self._ring = self._rings[size, dtype]
        try:
            if not ring or not ring[0][1].Test():
                buffer = np.empty(size, dtype)
                ring.appendleft((buffer, self._comm.Send_init(buffer, 0, RESULT)))
        except MPI.Exception:
            self._leave()
        result = ring[0][0]
        result.fill(0)
        return result

    def send(self, result: Reals) -> None:
        """Send a result, which comes from `zeros` or is not changed any more."""
        ring = self._ring
        if not ring or result is not ring[0][0]:
            self.post(result, RESULT)
            return
        try:
            ring[0][1].Start()
        except MPI.Exception:
            self._leave()
        ring.rotate(-1)

    def post(self, message: Any, tag: int) -> None:
        """Send a message that is not changed any more."""
        sending = self._sending
        try:
            while sending and sending[0][0].Test():  # they end in the order of their beginning
                sending.popleft()
            sending.append((self._comm.Isend(message, 0, tag), message))
        except MPI.Exception:
            self._leave()

    def is_sent(self) -> bool:
        """Return whether all messages have been sent."""
        sends = [send for ring in self._rings.values() for _, send in ring]
        try:
            return all(send.Test() for send in (*sends, *(send for send, _ in self._sending)))
        except MPI.Exception:
            self._leave()

    def close(self) -> None:
        """Free the sends that have been set up; they would keep the communicator alive."""
        for ring in self._rings.values():
            for _, send in ring:
                send.Free()
        self._rings.clear()
        self._ring.clear()
