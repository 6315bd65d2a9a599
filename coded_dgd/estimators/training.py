"""A training whose warning is one of scikit-learn, too."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning as TheirWarning

from coded_dgd import errors
from coded_dgd.api import Training, train

LEVEL = 5
"""Number of callers from `trained` up to the user's call of `fit`."""


class ConvergenceWarning(errors.ConvergenceWarning, TheirWarning):
    """The result of `fit` is far from the optimum; the message names the remedy."""


def trained(arguments: dict[str, Any]) -> Training | None:
    """Return the result of `train`, which is None on other ranks than 0.

    Warns
    -----
    ConvergenceWarning
        As `train` does.
    """
    with warnings.catch_warnings(record=True) as caught:
        training = train(**arguments)
    for each in caught:
        own = issubclass(each.category, errors.ConvergenceWarning)
        kind = ConvergenceWarning if own else each.category
        warnings.warn(str(each.message), kind, stacklevel=LEVEL)
    return training
