"""How many messages of one worker are there by an instant, under its law of durations."""

from __future__ import annotations

from math import inf, log2

import numpy as np

from coded_dgd.delays.base import DelayModel
from coded_dgd.schemes.base import Floats


class ArrivalDistribution:
    """Messages 1, 2, ..., J of a worker, all of whose tasks share one duration.

    Parameters
    ----------
    delay : DelayModel
        With a `survival`.
    worker : int
    work : (J,) array
        What is done when each message leaves, in tasks of the delay model; increasing.
    """

    def __init__(self, delay: DelayModel, worker: int, work: Floats) -> None:
        self._delay, self._worker, self._work = delay, worker, work

    def probabilities(self, t: float) -> Floats:
        """P_j(t), that exactly j = 0..J are there by t: eq. (13) of Ozfatura et al."""
        late = self._delay.survival(self._worker, t / self._work)
        assert late is not None
        return np.diff(late, prepend=0.0, append=1.0)

    def densities(self, t: float) -> Floats | None:
        """Densities of the J arrival times at t, in 1/s; None where there are none."""
        density = self._delay.density(self._worker, t / self._work)
        return None if density is None else density / self._work

    @property
    def breakpoints(self) -> Floats:
        """Instants at which the probabilities have a kink or a step."""
        return np.outer(self._delay.breakpoints(self._worker), self._work).ravel()

    @property
    def tail(self) -> float:
        """Exponent a of Pr(not all are there by t) ~ t^-a for large t; very large for light tails.

        To 9 digits, so that it is a whole number where it should be.
        """
        x = 1.0
        while x < 1e150 and self._late(x) > 1e-60:
            x *= 2
        near, far = self._late(x), self._late(2 * x)
        return round(log2(near / far), 9) if far > 0 else inf

    def _late(self, x: float) -> float:
        late = self._delay.survival(self._worker, np.array([x]))
        assert late is not None
        return float(late[0])
