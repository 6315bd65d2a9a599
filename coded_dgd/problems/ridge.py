"""The ridge is the penalty 1/2 sum of ridge_i beta_i^2 on the size of the parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ridge = float | Floats
"""One factor for all parameters, or one for each, of shape (p,)."""


def penalty(ridge: Ridge, beta: Floats) -> float:
    """Return the penalty of the parameters `beta`, of shape (p,)."""
    if isinstance(ridge, np.ndarray):
        return float(beta @ (ridge * beta)) / 2
    return ridge / 2 * float(beta @ beta) if ridge else 0.0
