"""The estimator of a classifier with any objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from coded_dgd.errors import DataError, UsageError, shown
from coded_dgd.estimators.base import CodedEstimator, has_classes, made
from coded_dgd.estimators.class_weights import weighted
from coded_dgd.problems.objectives import Objective, follows_slope

NUMBERS_OR_TEXT = "biufUO"
"""Kinds of types of y that a training takes; those of other kinds of text are converted."""


def _has_probabilities(estimator: Classifier) -> bool:
    return type(made(estimator._objective)).probabilities is not Objective.probabilities


def _has_margins(estimator: Classifier) -> bool:
    return follows_slope(made(estimator._objective))


class Classifier(ClassifierMixin, CodedEstimator):
    """The base of classifiers."""

    class_weight: Mapping[Any, float] | str | None

    def _labelled(self, y: Any, weights: Any) -> tuple[NDArray[Any], Any]:
        check_classification_targets(y)
        if not has_classes(self._objective):
            raise UsageError(
                f"objective {shown(self._objective)} is no classifier: take CodedRegressor, or "
                "define encode_labels in the objective"
            )
        self.classes_, places = np.unique(y, return_inverse=True)
        weights = weighted(self.class_weight, self.classes_, places, weights)
        counted = self.classes_ if weights is None else np.unique(y[weights != 0])
        if len(counted) < 2:
            raise ValueError(  # of scikit-learn's kind, as those of its own checks
                f"the rows of y, or those with a weight above 0, have one class only: "
                f"add rows of others than {counted[:1]}"
            )
        if y.dtype.kind not in NUMBERS_OR_TEXT:
            y = y.astype(str)
        if y.dtype.kind in "iuf" and not (np.diff(self.classes_.astype(np.float64)) > 0).all():
            raise DataError("float64 does not tell all classes of y apart: give them as text")
        return y, weights

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted classes of rows, of shape (k,) and the type of y.

        Parameters
        ----------
        X : (k, l) array, data frame or sparse matrix
        """
        predicted = super().predict(X)
        assert self.model_.classes is not None
        classes: NDArray[Any] = self.classes_[np.searchsorted(self.model_.classes, predicted)]
        return classes

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class for rows, of shape (k, C).

        Parameters
        ----------
        X : (k, l) array, data frame or sparse matrix
        """
        return self._predictor().predict_proba(self._rows(X))

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of `predict_proba`."""
        logarithms: NDArray[np.float64] = np.log(self.predict_proba(X))
        return logarithms

    @available_if(_has_margins)
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the margins of rows, of shape (k,) for two classes, else (k, C).

        Parameters
        ----------
        X : (k, l) array, data frame or sparse matrix
        """
        return self._predictor().decision_function(self._rows(X))


@dataclass(eq=False, repr=False)
class CodedClassifier(Classifier):
    """A classifier with any objective, trained by coded distributed gradient descent.

    It minimises the sum of the losses of the rows plus alpha / 2 ||coef||^2. The score is the
    accuracy.

    Parameters
    ----------
    objective : str, Objective or class
        What to minimise: ``softmax`` (any number of classes, with coefficients for each),
        ``logistic`` (two classes), or ``module:Class``, an object or a class of your own that
        defines `encode_labels` (docs/architecture.md).
    alpha : float
        Factor of the penalty, 0 or more.
    class_weight : dict, "balanced" or None
        Weight of the rows of each class, as in scikit-learn; it multiplies the sample weights.
        ``balanced`` gives all classes the same total weight.

    Notes
    -----
    `predict_proba` exists if the objective defines probabilities, and `decision_function` if it is
    a loss of X beta.
    """

    objective: str | Objective | type[Objective] = "softmax"
    alpha: float = 1.0
    class_weight: Mapping[Any, float] | str | None = None

    @property
    def _objective(self) -> str | Objective | type[Objective]:
        return self.objective

    @property
    def _ridge(self) -> float:
        return float(self._number("alpha"))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.objective != "logistic"
        return tags
