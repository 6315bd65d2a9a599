"""The ideal of a run: completion times if messages take no time and none is late."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from time import thread_time
from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.engine.protocol import Floats
from coded_dgd.guard import GuardedDecoder, Replayed
from coded_dgd.scheduling.replaying import Replayer
from coded_dgd.schemes.base import Scheme

PIECE = 1e-4
"""Processor time in seconds after which a piece of work ends."""
LONG_STEP = 1e-3
"""Processor time in seconds of a step that is too long while messages may arrive."""


class _Noted(NamedTuple):
    """An iteration whose ideal is not computed yet."""

    iteration: int
    scheme: Scheme
    replayer: Replayer
    delay_streams: Sequence[int]
    lost: Mapping[int, float]


class Ideal:
    """Computes the ideal completion time of each iteration, in pieces of about 0.1 ms.

    An iteration is noted when it is done. The master computes its ideal while it waits for messages
    of later iterations. If a single step of the decoder takes longer than `LONG_STEP`, what is left
    is computed after the run, because messages are noticed late meanwhile.

    Parameters
    ----------
    delay : DelayModel
        Draws the same delays of the workers again.
    """

    def __init__(self, delay: DelayModel) -> None:
        self._delay = delay
        self._noted: deque[_Noted] = deque()
        self._finish: list[Floats] = []
        """Finish times of the tasks of workers 0, 1, ... in the first iteration of `_noted`."""
        self._replaying: Generator[None, None, Replayed] | None = None
        self._postponed = False
        self._times: list[float] = []

    def begin(
        self, decoder: GuardedDecoder, delay_streams: Sequence[int], keep: bool = False
    ) -> None:
        """Continue with the code of a new stage.

        Parameters
        ----------
        decoder : GuardedDecoder
            Decoder of the stage; the ideal uses another one of the same code.
        delay_streams : sequence of int
            Index of each worker in the delay model.
        keep : bool
            Whether workers keep their results; see `VirtualWorkers`.
        """
        self._scheme, self._replayer = decoder.scheme, Replayer(decoder.again(), keep)
        self._delay_streams = delay_streams

    def note(self, iteration: int, lost: Mapping[int, float]) -> None:
        """Note that an iteration is done.

        Parameters
        ----------
        lost : mapping of int to float
            Workers that were lost, with the seconds after beta_t was sent.
        """
        self._noted.append(
            _Noted(iteration, self._scheme, self._replayer, self._delay_streams, lost)
        )

    def work(self) -> bool:
        """Do the next piece of work, unless it is postponed; return whether there was any."""
        if self._postponed or not self._noted:
            return False
        begin = now = thread_time()
        while now - begin < PIECE and self._noted:
            before = now
            self._step()
            now = thread_time()
            self._postponed |= now - before > LONG_STEP
        return True

    def _step(self) -> None:
        """Draw the delays of one more worker, or replay one more event."""
        iteration, scheme, replayer, delay_streams, lost = self._noted[0]
        worker = len(self._finish)
        if worker < len(delay_streams):
            work = scheme.work_under(self._delay)
            self._finish.append(self._delay.finish_times(iteration, delay_streams[worker], work))
            return
        if self._replaying is None:
            self._replaying = replayer.steps(np.array(self._finish), lost)
        try:
            next(self._replaying)
        except StopIteration as end:
            self._times.append(end.value.completion_time)
            self._finish, self._replaying = [], None
            self._noted.popleft()

    def times(self) -> Floats:
        """Return the ideal completion times of all noted iterations, in seconds."""
        while self._noted:
            self._step()
        return np.array(self._times)
