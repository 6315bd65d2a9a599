"""This module holds the objective of Poisson regression."""

from __future__ import annotations

import numpy as np

from coded_dgd.problems.objectives.base import LinearModel, Reals, total

LARGEST = 60.0
"""Margin up to which the mean is exp(z); exp(60) = 1e26 is a float32 and exceeds all counts."""


class Poisson(LinearModel):
    """``poisson`` is the sum of exp(z) - y z with z = x^T beta, for labels y >= 0 such as counts.

    It is the negative log-likelihood, up to a constant, of labels with a Poisson distribution of
    mean exp(z). The Hessian X^T diag(exp(z)) X has no useful bound. Above z = `LARGEST` the loss
    goes on as its tangent, so that a step that is much too long has a finite loss, and a line
    search takes a shorter one.
    """

    def slope(self, z: Reals, y: Reals | None) -> Reals:
        mean: Reals = np.exp(np.minimum(z, LARGEST))
        return mean if y is None else mean - y

    def losses(self, z: Reals, y: Reals) -> Reals:
        bounded = np.minimum(z, LARGEST)
        losses: Reals = np.exp(bounded) * (1 + z - bounded) - y * z
        return losses

    def check_labels(self, y: Reals) -> str | None:
        return None if y[0] >= 0 else "numbers that are 0 or more"

    def predict(self, X: Reals, beta: Reals) -> Reals:
        """Return the mean exp(z) of each row."""
        mean: Reals = np.exp(np.minimum(self.margins(X, beta), LARGEST))
        return mean

    def scores(
        self, X: Reals, y: Reals, beta: Reals, weights: Reals | None = None
    ) -> dict[str, float]:
        z = self.margins(X, beta)
        entropy = y * np.log(np.where(y > 0, y, 1.0))
        return {"mean_poisson_deviance": 2 * total(entropy - y + self.losses(z, y), weights)}
