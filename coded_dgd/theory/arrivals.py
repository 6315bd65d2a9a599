"""This module gives the distribution of the number of messages from one worker by an instant."""

from __future__ import annotations

from math import inf, log2

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Floats


class ArrivalDistribution:
    """The distribution describes messages 1, ..., J of a worker under a law of its work.

    Parameters
    ----------
    delay : DelayModel
        Delay model with a law `DelayModel.late`.
    worker : int
    work : (J,) array
        Work done when each message leaves, in tasks of the delay model; increasing.
    """

    def __init__(self, delay: DelayModel, worker: int, work: Floats) -> None:
        self._delay, self._worker, self._work = delay, worker, work

    def probabilities(self, t: float) -> Floats:
        """Return P_j(t), the probability that exactly j = 0..J messages have arrived by t.

        This is eq. (13) of Ozfatura et al. It holds for any law under which message j + 1 is late
        whenever message j is.
        """
        late = self._delay.late(self._worker, t, self._work)
        assert late is not None
        return np.maximum(np.diff(late, prepend=0.0, append=1.0), 0.0)  # but for rounding

    def densities(self, t: float) -> Floats | None:
        """Return the densities of the J arrival times at t, in 1/s, or None without densities."""
        return self._delay.finish_density(self._worker, t, self._work)

    @property
    def breakpoints(self) -> Floats:
        """Instants at which the probabilities have a kink or a step."""
        return self._delay.finish_breakpoints(self._worker, self._work)

    @property
    def tail(self) -> float:
        """Exponent a of Pr(a message is missing at t) ~ t^-a for large t; large for light tails.

        It is rounded to 9 digits, so that it is a whole number if the true exponent is.
        """
        x = 1.0
        while x < 1e150 and self._late(x) > 1e-60:
            x *= 2
        near, far = self._late(x), self._late(2 * x)
        return round(log2(near / far), 9) if far > 0 else inf

    def _late(self, t: float) -> float:
        late = self._delay.late(self._worker, t, np.ones(1))
        assert late is not None
        return float(late[0])
