"""Weights of classes become weights of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

Floats = NDArray[np.float64]
BALANCED = "balanced"


def weighted(
    of_class: Mapping[Any, float] | str | None,
    classes: NDArray[Any],
    places: NDArray[np.intp],
    weights: Floats | None,
) -> Floats | None:
    """Return the weights of the rows, of shape (m,), times those of their classes.

    Parameters
    ----------
    of_class : mapping, "balanced" or None
        Weights of classes, 1 for those that a mapping leaves out. The balanced weight of a class
        is the total weight of all rows / (number of classes x total weight of its rows).
    classes : (C,) array
    places : (m,) array
        Place of the class of each row.
    weights : (m,) array, optional
        Weights of the rows; None for 1.
    """
    if of_class is None:
        return weights
    if weights is None:
        weights = np.ones(len(places))
    if isinstance(of_class, str) and of_class == BALANCED:
        totals = np.bincount(places, weights, len(classes))
        factors = weights.sum() / (len(classes) * np.where(totals > 0, totals, np.inf))
    else:
        factors = compute_class_weight(of_class, classes=classes, y=classes)
    product: Floats = weights * factors[places]
    return product
