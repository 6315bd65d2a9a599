"""The estimator of a regression with any objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.base import RegressorMixin

from coded_dgd.errors import UsageError, shown
from coded_dgd.estimators.base import CodedEstimator, has_classes
from coded_dgd.problems.objectives import Objective


class Regressor(RegressorMixin, CodedEstimator):
    """The base of regressors, which have a penalty `alpha`."""

    alpha: float
    _checks: ClassVar[Mapping[str, Any]] = {"y_numeric": True}

    @property
    def _ridge(self) -> float:
        return float(self._number("alpha"))

    def _labelled(self, y: Any, weights: Any) -> tuple[Any, Any]:
        if has_classes(self._objective):
            raise UsageError(
                f"objective {shown(self._objective)} is that of a classifier: take CodedClassifier"
            )
        return y, weights


@dataclass(eq=False, repr=False)
class CodedRegressor(Regressor):
    """A regression with any objective, trained by coded distributed gradient descent.

    It minimises the sum of the losses of the rows plus alpha / 2 ||coef||^2. The score is R^2.

    Parameters
    ----------
    objective : str, Objective or class
        What to minimise: ``least-squares``, ``huber:delta=1.35``, ``poisson`` (counts; predictions
        are means), or ``module:Class``, an object or a class of your own (docs/architecture.md).
    alpha : float
        Factor of the penalty, 0 or more.
    """

    objective: str | Objective | type[Objective] = "least-squares"
    alpha: float = 1.0

    @property
    def _objective(self) -> str | Objective | type[Objective]:
        return self.objective
