"""Weights of an MDS code are updated for each message beyond the recovery threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes.further import Further
from coded_dgd.codes.mds import decode_weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PIECE = 2**16
"""Numbers of the weights that are updated at once, while they are in the cache."""
UPDATABLE = 1e8
"""Largest error amplification of weights that are updated."""
ROUNDING = 1e-14
"""Largest residual of W A g = g per unit of error amplification, for a normal vector g."""


class FurtherRows(Further):
    r"""The weights W of `mds.decode_weights` with W A = I, as rows are appended to A.

    A row a^T makes of the pseudo-inverse W the following one (Greville, "Some applications of the
    pseudoinverse of a matrix", 1960), in time of N S ::

        d = W^T a,   b = W d / (1 + ||d||^2),   W <- [W - b d^T, b]

    Weights are used only if W (A g) = g for a normal vector g, up to rounding errors; otherwise,
    and where they amplify errors by more than `UPDATABLE`, they are computed anew.

    Parameters
    ----------
    rows : (M J, N) array
        Row of the generator matrix of each message.
    indices : (M J,) integers
        Index of each row, as in `mds.decode_weights`.
    scales : (M J,) array
        Size of each message, as `Scheme.message_scales` returns them.
    limit : float
        Largest error amplification of weights that will be used.
    """

    def __init__(self, rows: Floats, indices: Integers, scales: Floats, limit: float) -> None:
        self._rows, self._indices, self._scales, self._limit = rows, indices, scales, limit
        self._transposed = np.empty_like(rows)  # W^T in its first S rows
        self._probe = np.random.default_rng(0).standard_normal((rows.shape[1],))
        self._taken = 0
        self._amplification = np.inf

    def take(self, messages: Sequence[int]) -> float:
        if self._amplification <= UPDATABLE:
            for count in range(self._taken + 1, len(messages) + 1):
                self._append(messages[:count])
        wrong = self._amplification <= self._limit and not self._decodes(messages)
        if wrong or not self._amplification <= UPDATABLE:
            self._compute(messages)
        self.weights = self._transposed[: self._taken].T
        return self._amplification

    def _compute(self, messages: Sequence[int]) -> None:
        """Compute the weights anew."""
        here = np.array(messages)
        weights = decode_weights(self._rows[here], self._indices[here])
        self._transposed[: len(here)] = weights.T
        self._amplification = float(np.max(np.abs(weights) @ self._scales[here]))
        self._taken = len(here)

    def _append(self, messages: Sequence[int]) -> None:
        """Update the weights for the last of the messages."""
        old = self._transposed[: self._taken]
        d: Floats = old @ self._rows[messages[-1]]
        b: Floats = d @ old / (1 + d @ d)
        self._transposed[self._taken] = b
        self._taken += 1
        scales, size = self._scales[messages], self._rows.shape[1]
        sums: Floats = scales[-1] * np.abs(b)
        height = max(1, PIECE // size)
        memory = np.empty((height, size))
        for first in range(0, len(old), height):
            piece = old[first : first + height]
            some = slice(first, first + len(piece))
            change = np.multiply(d[some, None], b, out=memory[: len(piece)])
            piece -= change
            sums += scales[some] @ np.abs(piece, out=change)
        self._amplification = float(sums.max())

    def _decodes(self, messages: Sequence[int]) -> bool:
        image = (self._rows[messages] @ self._probe) @ self._transposed[: len(messages)]
        residual = np.abs(image - self._probe).max()
        return bool(residual <= ROUNDING * len(self._probe) * self._amplification)
