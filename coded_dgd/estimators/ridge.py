"""The estimator of ridge regression."""

from __future__ import annotations

from dataclasses import dataclass

from coded_dgd.estimators.regressor import Regressor


@dataclass(eq=False, repr=False)
class CodedRidge(Regressor):
    """Ridge regression, trained by coded distributed gradient descent.

    It minimises 1/2 ||y - X coef - intercept||^2 + alpha / 2 ||coef||^2, as `Ridge` of
    scikit-learn does. The score is R^2.

    Parameters
    ----------
    alpha : float
        Factor of the penalty, 0 or more; 0 is ordinary least squares.

    Examples
    --------
    >>> import numpy as np
    >>> from coded_dgd.estimators import CodedRidge
    >>> X = np.eye(4)
    >>> CodedRidge(alpha=1.0, fit_intercept=False, transport="simulated").fit(X, [2, 4, 6, 8]).coef_
    array([1., 2., 3., 4.])
    """

    alpha: float = 1.0
    _objective = "least-squares"
