"""Figures that tell how well a model predicts labels, in one pass over the rows.

They are named and defined as in scikit-learn. Sample weights count as numbers of copies of rows.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.sources.base import Source

Floats = NDArray[np.float64]

SMALLEST = float(np.finfo(np.float64).eps)
"""Least probability in the log loss, so that it is finite where a model is wrong and certain."""


def metrics(objective: Objective, source: Source, beta: Floats) -> dict[str, float]:
    """Return the figures of a model on labelled rows.

    ``loss`` is the mean loss of a row without the ridge, and further figures are the means of
    `Objective.scores`. Classifiers have ``accuracy``, ``log_loss`` if they have probabilities, and
    for two classes ``auc``, the area under the receiver operating characteristic curve. Others have
    ``r2``, ``root_mean_squared_error`` and ``mean_absolute_error``.

    Rows are read in windows. The area is exact: it keeps the margin, class and weight of each row,
    17 bytes, and sorts them at the end.

    Parameters
    ----------
    objective : Objective
        Objective of the model.
    source : Source
        Prepared rows, whose labels are those of training.
    beta : (p,) array
        Parameters of the model for prepared rows.

    Raises
    ------
    CodedDGDError
        If rows cannot be read, a label is no class of the model, or the objective is faulty.
    """
    sums: dict[str, float] = {}
    total = 0.0
    own: _Figures = _OfNumbers() if source.classes is None else _OfClasses(objective, source)
    first = 0
    for X, y in source.windows():
        last = first + len(y)
        weights = None if source.weights is None else source.weights[first:last]
        first = last
        found = evaluation.scores(objective, X, y, beta, weights)
        found["loss"] = evaluation.loss(objective, X, y, beta, weights)
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value
        w = np.ones(len(y)) if weights is None else weights
        total += float(w.sum())
        predicted = evaluation.predictions(objective, X, beta)
        if predicted is not None and w.any():
            own.add(X, y, w, beta, predicted.astype(np.float64, copy=False))
    means = {"loss": sums.pop("loss"), **sums}
    return {**{name: float(value / total) for name, value in means.items()}, **own.figures()}


class _Figures(Protocol):
    """Figures that are collected window by window."""

    def add(self, X: Floats, y: Floats, w: Floats, beta: Floats, predicted: Floats) -> None:
        """Take note of rows, labels, weights and predictions, of shapes (k, l) and (k,)."""

    def figures(self) -> dict[str, float]:
        """Return the figures of all rows; none if there were no rows."""
        ...


class _OfNumbers:
    """The figures of predicted numbers: R^2, root mean squared error and mean absolute error."""

    def __init__(self) -> None:
        self._weight = self._mean = self._spread = self._squares = self._sizes = 0.0

    def add(self, X: Floats, y: Floats, w: Floats, beta: Floats, predicted: Floats) -> None:
        error, weight = predicted - y, float(w.sum())
        mean = float(w @ y) / weight
        before, self._weight = self._weight, self._weight + weight
        # the pairwise update of Chan, Golub and LeVeque (1983)
        self._spread += float(w @ (y - mean) ** 2)
        self._spread += (mean - self._mean) ** 2 * before * weight / self._weight
        self._mean += (mean - self._mean) * weight / self._weight
        self._squares += float(w @ error**2)
        self._sizes += float(w @ np.abs(error))

    def figures(self) -> dict[str, float]:
        if not self._weight:
            return {}
        exact = float(self._squares == 0)  # R^2 of labels that are all the same
        return {
            "r2": 1 - self._squares / self._spread if self._spread else exact,
            "root_mean_squared_error": sqrt(self._squares / self._weight),
            "mean_absolute_error": self._sizes / self._weight,
        }


class _OfClasses:
    """The figures of predicted classes: accuracy, log loss and area under the curve.

    Parameters
    ----------
    source : Source
        Prepared rows, with classes.
    """

    def __init__(self, objective: Objective, source: Source) -> None:
        assert source.classes is not None
        self._objective, self._count = objective, len(source.classes)
        codes = evaluation.label_codes(objective, np.array(source.classes))
        assert codes is not None  # labels are classes
        self._codes = codes
        self._weight = self._right = self._logs = 0.0
        self._has_logs = True
        self._kept: list[tuple[Floats, NDArray[np.bool_], Floats]] = []
        """Margins, classes and weights of the rows of each window, for the area."""

    def add(self, X: Floats, y: Floats, w: Floats, beta: Floats, predicted: Floats) -> None:
        self._weight += float(w.sum())
        self._right += float(w @ (predicted == y))
        chances = evaluation.probabilities(self._objective, X, beta, self._count)
        if chances is None:
            self._has_logs = False
        else:
            own = chances[np.arange(len(y)), (y[:, None] == self._codes).argmax(axis=1)]
            self._logs -= float(w @ np.log(np.clip(own, SMALLEST, 1.0)))
        if self._count == 2:
            margins = evaluation.decisions(self._objective, X, beta)
            if margins is None and chances is not None:
                margins = chances[:, 1]
            if margins is not None:
                kept: Any = margins.astype(np.float64, copy=False)
                self._kept.append((kept, y == self._codes[1], w))

    def figures(self) -> dict[str, float]:
        if not self._weight:
            return {}
        found = {"accuracy": self._right / self._weight}
        if self._has_logs:
            found["log_loss"] = self._logs / self._weight
        if self._kept:
            margins, second, weights = map(np.concatenate, zip(*self._kept, strict=True))
            area = area_under_curve(margins, second, weights)
            if area is not None:
                found["auc"] = area
        return found


def area_under_curve(margins: Floats, second: NDArray[np.bool_], weights: Floats) -> float | None:
    """Return the probability that a row of the second class has the larger margin.

    Equal margins count half. The result is None if a class has no rows.

    Parameters
    ----------
    margins, weights : (m,) array
    second : (m,) array of bool
        Whether each row is of the second class.
    """
    places = np.unique(margins, return_inverse=True)[1]
    ours, others = (np.bincount(places, weights * each) for each in (second, ~second))
    pairs = float(ours.sum() * others.sum())
    if not pairs:
        return None
    below = np.cumsum(others) - others / 2
    return float(ours @ below) / pairs
