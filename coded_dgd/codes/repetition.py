"""In fractional repetition the workers of a group hold the same blocks (Tandon et al.)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def groups(workers: int, copies: int) -> NDArray[np.int64]:
    """Return the group of each worker, with ``copies`` workers in each group.

    Neighbours are in different groups: workers on one host tend to be slow or lost together, so a
    group is spread over the ranks.

    Returns
    -------
    (workers,) integers
        Group of each worker, from 0 to workers / copies - 1; `copies` must divide `workers`.
    """
    return np.arange(workers) % (workers // copies)
