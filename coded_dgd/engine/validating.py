"""Rank 0 judges the model on held-out rows between iterations, and keeps the best one."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from time import monotonic
from typing import Any

from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.protocol import Floats
from coded_dgd.problems.held_out import HeldOut
from coded_dgd.problems.metrics import metrics
from coded_dgd.problems.objectives import Objective

BEST = "validation_best"
"""Name of the best model among the arrays of a checkpoint."""


class Validation:
    """Judges models by their loss on held-out rows.

    Parameters
    ----------
    objective : Objective
    held_out : HeldOut
    """

    def __init__(self, objective: Objective, held_out: HeldOut) -> None:
        self._objective, self.held_out = objective, held_out
        self.best: Floats | None = None
        """Model with the lowest loss so far; None before the first evaluation."""
        self.best_iteration = -1
        """Iteration after which it was the model."""
        self._lowest = inf
        self._stale = 0
        """Number of evaluations since the loss was lowered."""

    @property
    def exhausted(self) -> bool:
        """Whether the loss has not been lowered for as long as the patience allows."""
        return 0 < self.held_out.patience <= self._stale

    def figures(self, beta: Floats) -> dict[str, float]:
        """Return the figures of a model on the held-out rows; see `problems.metrics`."""
        return metrics(self._objective, self.held_out.source, beta)

    def note(self, record: Iteration, beta: Floats) -> None:
        """Judge the model after an iteration if that is due, and record the figures."""
        if (record.iteration + 1) % self.held_out.every:
            return
        begin = monotonic()
        record.validation = self.figures(beta)
        self._stale += 1
        if record.validation["loss"] < self._lowest:
            self._lowest, self._stale = record.validation["loss"], 0
            self.best, self.best_iteration = beta, record.iteration
        record.validation_time = monotonic() - begin

    def chosen(self, beta: Floats) -> Floats:
        """Return the model to hand back: the best one with a patience, else the last one."""
        return self.best if self.held_out.patience and self.best is not None else beta

    def values(self) -> dict[str, Any]:
        """Return the plain values for a checkpoint."""
        return {
            "iteration": self.best_iteration,
            "lowest": None if self._lowest == inf else self._lowest,
            "stale": self._stale,
        }

    def arrays(self) -> dict[str, Floats]:
        """Return the arrays for a checkpoint."""
        return {} if self.best is None else {BEST: self.best}

    def restore(self, values: Mapping[str, Any], arrays: Mapping[str, Floats]) -> None:
        """Continue from the values and arrays of a checkpoint."""
        self.best, self.best_iteration = arrays.get(BEST), values["iteration"]
        self._lowest = inf if values["lowest"] is None else values["lowest"]
        self._stale = values["stale"]


def fits(values: Any, arrays: Mapping[str, Floats]) -> bool:
    """Return whether values and arrays of a checkpoint are what `Validation` has returned."""
    lowest = values["lowest"]
    return (
        values.keys() == {"iteration", "lowest", "stale"}
        and type(values["iteration"]) is int
        and type(values["stale"]) is int
        and (lowest is None or type(lowest) is float)
        and (BEST not in arrays or arrays[BEST].shape == arrays["beta"].shape)
    )
