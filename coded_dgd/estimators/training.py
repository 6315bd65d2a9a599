"""A training whose warnings and errors are those of an estimator."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from sklearn.exceptions import ConvergenceWarning as TheirWarning

from coded_dgd import errors
from coded_dgd.api import Training, train
from coded_dgd.estimators.wording import in_parameters

LEVEL = 5
"""Number of callers from `warn` up to the user's call of `fit`."""


class ConvergenceWarning(errors.ConvergenceWarning, TheirWarning):
    """The result of `fit` is far from the optimum; the message names the remedy."""


class Fitted(NamedTuple):
    """The result of `train`, which is None on other ranks than 0, and its warnings."""

    training: Training | None
    warnings: list[warnings.WarningMessage]


def trained(arguments: dict[str, Any], penalty: str) -> Fitted:
    """Run `train`, and keep its warnings back until all ranks are done with it.

    Parameters
    ----------
    arguments : dict
        Arguments of `train`.
    penalty : str
        What messages call the factor of the penalty.

    Raises
    ------
    CodedDGDError
        As `train` does; the message names parameters of the estimator.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", errors.ConvergenceWarning)
            return Fitted(train(**arguments), caught)
    except errors.CodedDGDError as error:
        error.args = (in_parameters(str(error), penalty),)
        raise


def warn(caught: list[warnings.WarningMessage], penalty: str) -> None:
    """Warn of what `train` has warned of, as warnings of the user's call of `fit`.

    Warns
    -----
    ConvergenceWarning
        As `train` does; the message names parameters of the estimator.
    """
    for each in caught:
        own = issubclass(each.category, errors.ConvergenceWarning)
        message = in_parameters(str(each.message), penalty) if own else str(each.message)
        kind = ConvergenceWarning if own else each.category
        warnings.warn(message, kind, stacklevel=LEVEL)
