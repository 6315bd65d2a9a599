"""Functions for norms of very small and very large numbers, whose squares may not fit float64."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import DataError
from coded_dgd.problems.sources.base import Source

USUAL = 1e-140, 1e140
"""Range of norms that are computed from squares; a square that underflows does not matter."""
SMALLEST_SQUARE = 1e-300
"""Smallest square of a norm that has all of its digits and a finite inverse."""


def norm(values: NDArray[np.floating[Any]]) -> float:
    """Return the Euclidean norm, even if squares of the values overflow or underflow."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = float(np.linalg.norm(values))
    if USUAL[0] < found < USUAL[1]:
        return found
    largest = float(np.abs(values).max(initial=0.0))
    return largest * float(np.linalg.norm(values / largest)) if 0 < largest < inf else largest


def norms_of(source: Source) -> tuple[float, float]:
    """Return the norms of X and of the labels, in one pass."""
    each = [(norm(X.ravel()), norm(y)) for X, y in source.windows()]
    of_rows, of_labels = np.array(each).T
    return norm(of_rows), norm(of_labels)


def refusal(source: Source, what: str, size: float, dtype: str = "float64") -> DataError:
    """Return the error for data with a norm that `dtype` cannot square.

    Parameters
    ----------
    what : str
        Part of the data, such as X.
    size : float
        Norm of that part.
    """
    other = "" if dtype == "float64" else ", or use --dtype float64"
    return DataError(
        f"{source.name}: the norm of {what} is {size:.1e}, whose square {dtype} cannot hold well: "
        f"scale the data{other}"
    )
