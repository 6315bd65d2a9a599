"""Norms of very small and very large numbers, and data whose squares cannot be computed with."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import DataError
from coded_dgd.problems.sources.base import Source

USUAL = 1e-140, 1e140
"""Norms between these are computed from squares, none of which matters that underflows."""
SMALLEST_SQUARE = 1e-300
"""Of a norm, of which the inverse is finite and squares have all of their digits."""


def norm(values: NDArray[np.floating[Any]]) -> float:
    """Return the Euclidean norm, also where squares of the values overflow or underflow."""
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
    """Return the error for data of which that norm cannot be squared."""
    other = "" if dtype == "float64" else ", or use --dtype float64"
    return DataError(
        f"{source.name}: the norm of {what} is {size:.1e}, whose square {dtype} cannot hold well: "
        f"scale the data{other}"
    )
