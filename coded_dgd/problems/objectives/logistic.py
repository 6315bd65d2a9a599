"""This module holds the objective of binary logistic regression."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from coded_dgd.problems.objectives.base import LinearModel, Reals, total


class Logistic(LinearModel):
    """``logistic`` is the sum of log(1 + exp(-s x^T beta)), with s = 1 for label > 0, else s = -1.

    The labels of the data may be any two numbers, such as 1 and -1, 1 and 0, or 2 and 1; the larger
    one is the positive class. The Hessian is at most X^T X / 4.
    """

    curvature: ClassVar[float | None] = 0.25

    def slope(self, z: Reals, y: Reals | None) -> Reals:
        sign = _signs(np.zeros(len(z)) if y is None else y)
        margin = sign * z
        # -sign / (1 + exp(margin)), without overflow
        slope: Reals = -sign * np.exp(-np.logaddexp(0.0, margin))
        return slope

    def losses(self, z: Reals, y: Reals) -> Reals:
        losses: Reals = np.logaddexp(0.0, -_signs(y) * z)
        return losses

    def check_labels(self, y: Reals) -> str | None:
        if len(y) == 2:
            return None
        more = " (--objective softmax takes more classes)" if len(y) > 2 else ""
        return f"two different numbers, one for each class{more}"

    def encode_labels(self, classes: Reals) -> Reals | None:
        return np.array([-1.0, 1.0])

    def predict(self, X: Reals, beta: Reals) -> Reals:
        return _signs(self.margins(X, beta))

    def probabilities(self, X: Reals, beta: Reals) -> Reals:
        z = self.margins(X, beta)
        probabilities: Reals = np.exp(-np.logaddexp(0.0, np.column_stack([z, -z])))
        return probabilities

    def scores(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
    ) -> dict[str, float]:
        return {"accuracy": total(self.predict(X, beta) == _signs(y), weights)}


def _signs(y: Reals) -> Reals:
    return np.where(y > 0, 1.0, -1.0)
