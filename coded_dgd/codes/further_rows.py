"""Weights of an MDS code are updated for each message beyond the recovery threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes.further import Further
from coded_dgd.codes.mds import decode_weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PIECE = 2**15
"""Numbers of the weights that are looked at at once, while they are in the cache."""
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
        self._first: Floats  # the weights to begin with
        self._probe = np.random.default_rng(0).standard_normal((rows.shape[1],))
        self._taken = 0
        self._amplification = np.inf
        self._worst = 0  # row of W that amplified errors most when all were looked at

    def begin(self, weights: Floats) -> None:
        self._first = weights  # copied only if a further message comes

    def take(self, messages: Sequence[int]) -> float:
        if not self._taken:
            self._set(messages[: self._first.shape[-1]], self._first)
        if self._amplification <= UPDATABLE:
            for count in range(self._taken + 1, len(messages) + 1):
                self._append(messages[count - 1])
            self._amplify(messages)
        wrong = self._amplification <= self._limit and not self._decodes(messages)
        if wrong or not self._amplification <= UPDATABLE:
            self._compute(messages)
        self.weights = self._transposed[: self._taken].T
        return self._amplification

    def _compute(self, messages: Sequence[int]) -> None:
        """Compute the weights anew."""
        here = np.array(messages)
        self._set(messages, decode_weights(self._rows[here], self._indices[here]))

    def _set(self, messages: Sequence[int], weights: Floats) -> None:
        """Go on from the weights of these messages."""
        self._taken = len(messages)
        self._transposed[: self._taken] = weights.T
        self._amplify_all(messages)

    def _append(self, message: int) -> None:
        """Update the weights for one more message."""
        from scipy.linalg.blas import dger

        old = self._transposed[: self._taken]
        d: Floats = old @ self._rows[message]
        b: Floats = d @ old / (1 + d @ d)
        dger(-1.0, b, d, a=old.T, overwrite_a=True)  # in place, as old.T is in Fortran order
        self._transposed[self._taken] = b
        self._taken += 1

    def _amplify(self, messages: Sequence[int]) -> None:
        """Compute the error amplification, or that of one row of W if it is above the limit."""
        of_worst = np.abs(self._transposed[: self._taken, self._worst])
        self._amplification = float(self._scales[messages] @ of_worst)
        if not self._amplification > self._limit:
            self._amplify_all(messages)

    def _amplify_all(self, messages: Sequence[int]) -> None:
        scales, height = self._scales[messages], max(1, PIECE // self._rows.shape[1])
        sums = np.zeros(self._rows.shape[1])
        for first in range(0, self._taken, height):
            piece = slice(first, min(first + height, self._taken))
            sums += scales[piece] @ np.abs(self._transposed[piece])
        self._worst = int(np.argmax(sums))  # nan, if there is any
        self._amplification = float(np.max(sums))

    def _decodes(self, messages: Sequence[int]) -> bool:
        image = (self._rows[messages] @ self._probe) @ self._transposed[: len(messages)]
        residual = np.abs(image - self._probe).max()
        return bool(residual <= ROUNDING * len(self._probe) * self._amplification)
