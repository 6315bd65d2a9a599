"""Fractional repetition: groups of workers that hold the same (Tandon et al.)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def groups(workers: int, copies: int) -> NDArray[np.int64]:
    """Group of each worker, ``copies`` workers in each; neighbours are in different groups.

    Workers on one host tend to be slow or lost together, so a group is spread over the ranks.

    Returns
    -------
    (workers,) integers below workers / copies, which has to be whole.
    """
    return np.arange(workers) % (workers // copies)
