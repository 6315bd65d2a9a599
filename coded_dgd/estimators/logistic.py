"""The estimator of logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

from coded_dgd.estimators.classifier import Classifier


@dataclass(eq=False, repr=False)
class CodedLogisticRegression(Classifier):
    """Logistic regression, binary or multinomial, by coded distributed gradient descent.

    It minimises C times the sum of the logistic losses of the rows plus 1/2 ||coef||^2, as
    `LogisticRegression` of scikit-learn does. With more than two classes the loss is the
    multinomial one. The score is the accuracy.

    Parameters
    ----------
    C : float
        Inverse of the factor of the penalty, above 0; infinity is no penalty.
    class_weight : dict, "balanced" or None
        Weight of the rows of each class, as in scikit-learn; it multiplies the sample weights.
        ``balanced`` gives all classes the same total weight.

    Examples
    --------
    >>> from coded_dgd.estimators import CodedLogisticRegression
    >>> X, y = [[1.0], [2.0], [3.0], [4.0]], ["small", "small", "large", "large"]
    >>> model = CodedLogisticRegression(transport="simulated").fit(X, y)
    >>> model.predict([[0.0], [5.0]]).tolist()
    ['small', 'large']
    """

    C: float = 1.0
    class_weight: Mapping[Any, float] | str | None = None

    _penalty: ClassVar[str] = "1/C"

    @property
    def _objective(self) -> str:
        return "softmax" if len(getattr(self, "classes_", ())) > 2 else "logistic"

    @property
    def _ridge(self) -> float:
        return 1 / float(self._number("C", include_boundaries="right", max_val=inf))
