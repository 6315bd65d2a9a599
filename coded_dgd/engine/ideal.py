"""The ideal of a run: completion times if messages take no time and none is late."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.engine.protocol import Floats
from coded_dgd.guard import GuardedDecoder, replay


class _Noted(NamedTuple):
    """An iteration whose ideal is not computed yet."""

    iteration: int
    decoder: GuardedDecoder
    delay_streams: Sequence[int]
    lost: Mapping[int, float]


class Ideal:
    """Computes the ideal completion time of each iteration, in pieces of about 0.1 ms.

    An iteration is noted when it is done. Its ideal takes about 1 ms with 40 workers. The master
    computes it while it waits for messages of the next iteration.

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
        self._times: list[float] = []

    def begin(self, decoder: GuardedDecoder, delay_streams: Sequence[int]) -> None:
        """Continue with the code of a new stage.

        Parameters
        ----------
        decoder : GuardedDecoder
            Decoder of the stage; the ideal uses another one of the same code.
        delay_streams : sequence of int
            Index of each worker in the delay model.
        """
        self._decoder, self._draws = decoder.again(), delay_streams

    def note(self, iteration: int, lost: Mapping[int, float]) -> None:
        """Note that an iteration is done.

        Parameters
        ----------
        lost : mapping of int to float
            Workers that were lost, with the seconds after beta_t was sent.
        """
        self._noted.append(_Noted(iteration, self._decoder, self._draws, lost))

    def work(self) -> bool:
        """Do the next piece of work; return whether there was any."""
        if not self._noted:
            return False
        iteration, decoder, delay_streams, lost = self._noted[0]
        worker = len(self._finish)
        if worker < len(delay_streams):
            work = decoder.scheme.work
            self._finish.append(self._delay.finish_times(iteration, delay_streams[worker], work))
            return True
        self._times.append(replay(decoder, np.array(self._finish), lost).completion_time)
        self._finish = []
        self._noted.popleft()
        return True

    def times(self) -> Floats:
        """Return the ideal completion times of all noted iterations, in seconds."""
        while self.work():
            pass
        return np.array(self._times)
