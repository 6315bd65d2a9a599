"""How times grow with work says whether delays add to the time of a task, or multiply it.

A worker does s tasks in a time T_s. Where delays multiply, T_s = s D with a random D, and the
slowest worker is behind the median worker by a time in proportion to s. Where they add,
T_s = O + s D with a random start-up overhead O and a constant D, and it is behind by the same time
for every s. With the median m_s and the time b_s that the slowest worker is behind, both as means
over the iterations, ::

    exponent = log(b_J / b_1) / log(m_J / m_1)

is 1 in the first case and 0 in the second, where J is the largest s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coded_dgd.delays.base import Floats

ADD, MULTIPLY = 0.25, 0.75
"""Exponents up to which delays add, and from which on they multiply."""
LEAST_GROWTH = 1.1
"""Ratio of the median times of the most and the least work from which on the exponent is known."""


@dataclass(frozen=True)
class Growth:
    """The growth of times with work, in the unit of the trace."""

    exponent: float | None
    """Exponent of the module's formula; None if it is not known."""
    overhead: float
    """Start-up overhead of a typical worker: intercept of its finish times against work."""
    per_task: float
    """Time per task of a typical worker: slope of its finish times against work."""
    second_task: float
    """Median time of two tasks over that of one."""

    @property
    def kind(self) -> str | None:
        """Whether delays are ``additive``, ``multiplicative`` or ``mixed``; None if not known."""
        if self.exponent is None:
            return None
        if self.exponent <= ADD:
            return "additive"
        return "multiplicative" if self.exponent >= MULTIPLY else "mixed"


def growth(finish: Floats) -> Growth | None:
    """Return how finish times grow with work.

    Iterations in which a task never ends are left out. The result is None if none is left, if there
    is one task only, or if tasks take no time.

    Parameters
    ----------
    finish : (iterations, M, work) array
        Times at which tasks end, counted from the beginning of the iteration; inf for never.
    """
    whole = finish[np.isfinite(finish).all(axis=(1, 2))]
    if not len(whole) or finish.shape[2] < 2:
        return None
    median = np.median(whole, axis=1)
    behind = (whole.max(axis=1) - median).mean(axis=0)
    typical = median.mean(axis=0)
    if typical[0] <= 0:
        return None
    per_task, overhead = np.polyfit(np.arange(1, len(typical) + 1), typical, 1)
    exponent = None
    if typical[-1] >= LEAST_GROWTH * typical[0] and min(behind[0], behind[-1]) > 0:
        exponent = float(np.log(behind[-1] / behind[0]) / np.log(typical[-1] / typical[0]))
    return Growth(exponent, float(overhead), float(per_task), float(typical[1] / typical[0]))
