"""This module composes a delay model with another one that adds a start-up overhead."""

from __future__ import annotations

from collections.abc import Hashable
from math import inf

import numpy as np

from coded_dgd.delays.additive import Additive
from coded_dgd.delays.base import DelayModel, Floats
from coded_dgd.delays.shifted_exponential import ShiftedExponential


class Composed(DelayModel):
    """``BASE + OVERHEAD`` adds the time of one task of a second model to all tasks of the first.

    The second model thus draws one start-up overhead for each worker and iteration. With
    ``none + OVERHEAD`` a message leaves when the overhead is over and its tasks are computed.

    Parameters
    ----------
    base : DelayModel
        Model of the tasks, to which the unit of work belongs.
    overhead : DelayModel
        Model of the overhead, with draws that are independent of those of `base`.

    Notes
    -----
    The law `late` is known if the overhead is constant and the law of `base` is known, and if both
    models are `ShiftedExponential`.
    """

    has_overhead = True

    def __init__(self, base: DelayModel, overhead: DelayModel) -> None:
        self.base, self.overhead = base, overhead
        self.per, self.share, self.most_work = base.per, base.share, base.most_work
        self.may_stall = base.may_stall or overhead.may_stall
        self._law, self._constant = _law(base, overhead)

    def finish_times(self, iteration: int, worker: int, work: Floats) -> Floats:
        overhead = self.overhead.finish_times(iteration, worker, ONE)
        return overhead + self.base.finish_times(iteration, worker, work)

    def sample(
        self, rng: np.random.Generator, realisations: int, workers: int, work: Floats
    ) -> Floats:
        times = self.base.sample(rng, realisations, workers, work)
        return times + self.overhead.sample(rng, realisations, workers, ONE)

    def consecutive(
        self, rng: np.random.Generator, iterations: int, workers: int, work: Floats
    ) -> Floats:
        times = self.base.consecutive(rng, iterations, workers, work)
        return times + self.overhead.consecutive(rng, iterations, workers, ONE)

    def check(self, workers: int, work: Floats) -> None:
        self.base.check(workers, work)
        self.overhead.check(workers, ONE)

    def late(self, worker: int, t: float, work: Floats) -> Floats | None:
        law = self._law
        return None if law is None else law.late(worker, t - self._constant, work)

    def finish_density(self, worker: int, t: float, work: Floats) -> Floats | None:
        law = self._law
        return None if law is None else law.finish_density(worker, t - self._constant, work)

    def finish_breakpoints(self, worker: int, work: Floats) -> Floats:
        assert self._law is not None
        return self._constant + self._law.finish_breakpoints(worker, work)

    def kind(self, worker: int) -> Hashable:
        return worker if self._law is None else self._law.kind(worker)


ONE = np.ones(1)
"""Work of an overhead, in tasks of its model."""


def _law(base: DelayModel, overhead: DelayModel) -> tuple[DelayModel | None, float]:
    """Return a model and seconds that its finish times have to be delayed, or None and 0.

    Its law `late` is that of the two models together.
    """
    if type(overhead) is not ShiftedExponential:
        return None, 0.0
    if overhead.mu == inf:
        return base, overhead.alpha
    if type(base) is not ShiftedExponential or base.independent:
        return None, 0.0
    both = Additive(
        overhead=overhead.alpha,
        overhead_mu=overhead.mu,
        alpha=base.alpha,
        mu=base.mu,
        seed=base.seed,
    )
    return both, 0.0
