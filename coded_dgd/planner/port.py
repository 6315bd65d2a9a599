"""The port of rank 0 receives messages one at a time, in the order in which they reach it."""

from __future__ import annotations

import numpy as np

from coded_dgd.schemes.base import Floats


class Port:
    """The port receives the messages of many iterations. Times are in seconds.

    The messages of an iteration are sorted once, as a backlog does not change their order.

    Parameters
    ----------
    sent : (realisations, M, J) array
        Instants at which messages reach the port, inf for never.
    service : float
        Time for which the port is busy with a message.
    """

    def __init__(self, sent: Floats, service: float) -> None:
        flat = sent.reshape(len(sent), -1)
        self._shape, self._service = sent.shape, service
        self._place = np.argsort(flat, axis=1) + flat.shape[1] * np.arange(len(flat))[:, None]
        """Place of each message, in the order in which they reach the port, among all of `sent`."""
        self._sent = flat.take(self._place)
        self._done = np.empty_like(flat)
        self.first: Floats = self._sent[:, 0]
        """Instants of the first messages; a backlog that is done by then holds up nothing."""

    def received(self, backlog: Floats | float = 0.0) -> Floats:
        """Return when the port has received each message, an array of the shape of `sent`.

        Parameters
        ----------
        backlog : (realisations,) array, optional
            Instants until which the port is busy with earlier messages; by default it is free.
        """
        busy = self._service * np.arange(self._sent.shape[1] + 1)
        begun = np.maximum(self._sent, np.reshape(backlog, (-1, 1)))
        begun -= busy[:-1]
        self._done = np.maximum.accumulate(begun, axis=1, out=begun)
        self._done += busy[1:]
        times = np.empty(self._done.size)
        times[self._place] = self._done
        return times.reshape(self._shape)

    def free(self, until: Floats) -> Floats:
        """Return when the port, in the latest `received`, is done with the messages sent by then.

        Parameters
        ----------
        until : (realisations,) array
            Instants up to which messages reach the port.

        Returns
        -------
        (realisations,) array
            Instants; 0 if no message has reached the port.
        """
        count = np.count_nonzero(self._sent <= until[:, None], axis=1)
        last = np.take_along_axis(self._done, np.maximum(count - 1, 0)[:, None], axis=1)[:, 0]
        return np.where(count > 0, last, 0.0)
