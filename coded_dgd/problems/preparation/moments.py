"""Means and standard deviations of the columns of X, in one pass over the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources.base import Source
from coded_dgd.problems.sparse import CompressedRows

Floats = NDArray[np.float64]


def column_moments(source: Source) -> tuple[Floats, Floats]:
    """Return the mean and the population standard deviation of each column, both of shape (l,).

    Sample weights count as numbers of copies of their rows. Windows are merged by the pairwise
    update of Chan, Golub and LeVeque (1983), which stays accurate if means are much larger than
    deviations. A deviation that rounding errors explain is 0: the bound is that of scikit-learn's
    `StandardScaler`.
    """
    if source.density is not None and isinstance(source, CompressedRows):
        starts, columns, values, _ = source.entries()
        mean, variance = _of_entries(source, np.diff(starts), columns, values)
    else:
        mean, variance = _of_windows(source)
    rounding = np.finfo(np.float64).eps * source.rows
    constant = variance <= rounding * variance + (rounding * mean) ** 2
    return mean, np.where(constant, 0.0, np.sqrt(variance))


def _of_windows(source: Source) -> tuple[Floats, Floats]:
    mean, squares, total = np.zeros(source.features), np.zeros(source.features), 0.0
    start = 0
    for X, y in source.windows():
        weights = np.ones(len(y)) if source.weights is None else source.weights[start:][: len(y)]
        start += len(y)
        weight = float(weights.sum())
        if not weight:
            continue
        own = weights @ X / weight
        X -= own
        rest = weights @ X / weight  # rounding error of the mean
        own_squares = weights @ X**2 - weight * rest**2
        own += rest
        share = weight / (total + weight)
        squares += own_squares + (own - mean) ** 2 * total * share
        mean += (own - mean) * share
        total += weight
    return mean, np.maximum(squares, 0.0) / total


def _of_entries(
    source: Source, counts: NDArray[np.int64], columns: NDArray[np.int32], values: Floats
) -> tuple[Floats, Floats]:
    """Return mean and variance of the columns of compressed rows with `counts` entries each."""
    weights = np.ones(source.rows) if source.weights is None else source.weights
    of_entry, total = np.repeat(weights, counts), float(weights.sum())

    def sums(terms: Floats) -> Floats:
        return np.bincount(columns, terms, source.features).astype(np.float64, copy=False)

    mean = sums(of_entry * values) / total
    counted = sums((of_entry > 0).astype(np.float64))
    has_zeros = counted < np.count_nonzero(weights)  # their weight alone may be a rounding error
    zeros = np.where(has_zeros, np.maximum(total - sums(of_entry), 0.0), 0.0)
    deviations = values - mean[columns]
    return mean, (sums(of_entry * deviations**2) + zeros * mean**2) / total
