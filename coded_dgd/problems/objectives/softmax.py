"""This module holds the objective of multinomial logistic regression."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.objectives.base import LinearModel, Reals, total

MOST_CLASSES = 1000
"""Maximum number of classes; more different labels are rather numbers to predict."""


class Softmax(LinearModel):
    """``softmax`` is the sum of log(sum over k of exp(z_k)) - z_y, with the K margins z = B x.

    The labels of the data may be any whole numbers; each different one is a class, and y is its
    place in ascending order. The matrix B has a row for every class, as in scikit-learn's
    LogisticRegression: adding the same vector to all rows changes no loss, and a ridge makes the
    optimum unique. The Hessian is at most X^T X / 2 for each class (Boehning, "Multinomial logistic
    regression algorithm", Annals of the Institute of Statistical Mathematics 44, 1992).

    Attributes
    ----------
    outputs : int
        Number K of classes, which is 0 until `learn_classes` is called.
    """

    curvature: ClassVar[float | None] = 0.5
    outputs = 0

    def learn_classes(self, classes: Reals) -> None:
        self.outputs = len(classes)

    def slope(self, z: Reals, y: Reals | None) -> Reals:
        slope = _probabilities(z)
        slope[np.arange(len(z)), 0 if y is None else _places(y)] -= 1
        return slope

    def losses(self, z: Reals, y: Reals) -> Reals:
        below = _below_largest(z)
        losses: Reals = np.log(np.exp(below).sum(axis=1)) - below[np.arange(len(z)), _places(y)]
        return losses

    def check_labels(self, y: Reals) -> str | None:
        if 2 <= len(y) <= MOST_CLASSES and np.array_equal(y, np.round(y)):
            return None
        return f"2 to {MOST_CLASSES} different whole numbers, one for each class"

    def encode_labels(self, classes: Reals) -> Reals | None:
        return np.arange(float(len(classes)))

    def predict(self, X: Reals, beta: Reals) -> Reals:
        places: Reals = self.margins(X, beta).argmax(axis=1).astype(np.float64)
        return places

    def probabilities(self, X: Reals, beta: Reals) -> Reals:
        return _probabilities(self.margins(X, beta))

    def scores(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
    ) -> dict[str, float]:
        return {"accuracy": total(self.predict(X, beta) == y, weights)}


def _probabilities(z: Reals) -> Reals:
    """Return the probability of each class, of the shape (k, K) of the margins."""
    powers = np.exp(_below_largest(z))
    probabilities: Reals = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _below_largest(z: Reals) -> Reals:
    """Return margins minus the largest of their row, whose powers do not overflow."""
    below: Reals = z - z.max(axis=1, keepdims=True)
    return below


def _places(y: Reals) -> NDArray[np.int64]:
    return y.astype(np.int64)
