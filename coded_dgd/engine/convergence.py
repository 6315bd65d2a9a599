"""Whether a training has converged or diverged is judged by the norms of its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf

import numpy as np

from coded_dgd.engine.iteration import Iteration, first_norm
from coded_dgd.errors import Diverged
from coded_dgd.problems.norms import norm
from coded_dgd.problems.optimizers import Optimizer
from coded_dgd.problems.problem import Problem

EXPLOSION = 1e10
"""Growth of the gradient norm since the first iteration that counts as divergence."""


class Convergence:
    """Judges by the norms of the gradients whether a training has converged or diverged.

    Parameters
    ----------
    log : list of Iteration
        Records of the iterations, to which others append.
    problem : Problem
    optimizer : Optimizer
        Says what to do after a divergence.
    stop_at : float
        Fraction of the first gradient norm from which on a gradient is small. For a problem that
        begins at a model, the first norm is the one where it would begin without: the target
        depends on the data alone, and a good beginning is not asked to become better by as much.
    exact : bool
        Whether the scheme at the start is exact. If not, a zero gradient means that no message came
        in time.
    seed : int
        Seed of the start of the objective.
    """

    def __init__(
        self,
        log: Sequence[Iteration],
        problem: Problem,
        optimizer: Optimizer,
        stop_at: float,
        exact: bool,
        seed: int,
    ) -> None:
        self._log, self._problem, self._optimizer = log, problem, optimizer
        self._stop_at, self._exact = stop_at, exact
        self.without_begin: float | None = None
        """Norm of the gradient where a problem that begins at a model would begin without."""
        if stop_at and problem.begin is not None:
            self.without_begin = norm(problem.gradient(problem.usual_start(seed)))

    @property
    def is_small(self) -> bool:
        """Whether the recorded gradients are small: the latest, or those of a whole epoch.

        The gradient of one mini-batch says little about that of all rows, and a zero one nothing.
        """
        log, batches = self._log, self._problem.batches
        epoch = ceil(batches.scale) if batches else 1
        limit = self._stop_at * (self.without_begin or first_norm(log))
        if len(log) < epoch:
            return False
        if not log[-1].gradient_norm and (batches or not self._exact):
            return False
        return all([record.gradient_norm <= limit for record in log[-epoch:]])

    def refuse_divergence(self) -> None:
        """Raise Diverged if the latest gradient has grown too far."""
        self._refuse(self._log[-1].gradient_norm)

    def refuse_overflow(self) -> None:
        """Raise Diverged if messages are not finite because the model has diverged."""
        if not self._log:
            return
        point, size = self._optimizer.point, inf
        if not self._optimizer.needs_loss or np.isfinite(self._problem.loss(point)):
            size = norm(self._problem.gradient(point))
        self._refuse(size)  # also of float32 alone

    def _refuse(self, size: float) -> None:
        if not size <= EXPLOSION * first_norm(self._log) or not np.isfinite(size):
            raise Diverged(
                f"diverged in iteration {len(self._log) - 1} (gradient {size:.1e}): "
                f"{self._optimizer.remedy(self._problem)}"
            )
