"""The ideal of a run: completion times where messages take no time and nobody is ever late."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.engine.protocol import Floats
from coded_dgd.guard import GuardedDecoder, replay


class _Noted(NamedTuple):
    """An iteration whose ideal is not known yet."""

    iteration: int
    decoder: GuardedDecoder
    delay_streams: Sequence[int]
    lost: Mapping[int, float]


class Ideal:
    """Works out the ideal completion time of each iteration, in pieces of some 0.1 ms.

    An iteration is noted when it is done. What is to be worked out for it takes about 1 ms at 40
    workers, which the master has while it waits for messages of the next iteration.

    Parameters
    ----------
    delay : DelayModel
        Draws the delays of the workers anew, the same ones.
    """

    def __init__(self, delay: DelayModel) -> None:
        self._delay = delay
        self._noted: deque[_Noted] = deque()
        self._finish: list[Floats] = []
        """Finish times of the tasks of workers 0, 1, ... in the first iteration of `_noted`."""
        self._times: list[float] = []

    def begin(self, decoder: GuardedDecoder, delay_streams: Sequence[int]) -> None:
        """Go on with a code that decodes so.

        Parameters
        ----------
        decoder : GuardedDecoder
            Another one of the same code learns and decodes for the ideal.
        delay_streams : sequence of int
            Index of each worker in the delay model.
        """
        self._decoder, self._draws = decoder.again(), delay_streams

    def note(self, iteration: int, lost: Mapping[int, float]) -> None:
        """Note that an iteration is done.

        Parameters
        ----------
        lost : mapping of int to float
            Workers that were lost, and how many seconds after beta_t left.
        """
        self._noted.append(_Noted(iteration, self._decoder, self._draws, lost))

    def work(self) -> bool:
        """Do the next piece; return whether there was any."""
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
