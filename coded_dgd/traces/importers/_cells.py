"""Values of single cells are put together to a table with a row per step."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays.base import Floats
from coded_dgd.delays.trace import LARGEST


def table(keys: list[NDArray[Any]], values: Floats) -> Floats:
    """Return the sum of the values of each cell; nan for a cell without any.

    Parameters
    ----------
    keys : list of (n,) arrays
        Coordinates of each value along each axis of the table, which is sorted by them.
    values : (n,) array
        Values.

    Raises
    ------
    ValueError
        If the table does not fit in memory.
    """
    places = [np.unique(key, return_inverse=True) for key in keys]
    shape = tuple(len(known) for known, _ in places)
    if prod(shape) > LARGEST:
        sizes = " x ".join(map(str, shape))
        raise ValueError(f"its values are those of a table of {sizes}: keep one job in the file")
    cells = tuple(place.ravel() for _, place in places)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, cells, values)
    np.add.at(count, cells, 1)
    return np.where(count > 0, total, np.nan)


def complete(times: Floats) -> tuple[Floats, tuple[str, ...]]:
    """Return the rows without a gap (nan), and a note if others were left out.

    Parameters
    ----------
    times : (steps, ...) array
        Table with a row per step.
    """
    whole = ~np.isnan(times).any(axis=tuple(range(1, times.ndim)))
    left = int(np.count_nonzero(~whole))
    if not left:
        return times, ()
    return times[whole], (f"{left} of {len(times)} steps are left out, as a worker is missing",)
