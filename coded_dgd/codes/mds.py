"""This module has systematic MDS codes over the reals with well-conditioned square submatrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def orthogonal_rows(blocks: int, copies: int, seed: int = 0) -> Floats:
    """Return a stack of the identity and random orthogonal matrices.

    Any N rows of the stack are invertible with probability one, and well conditioned. For N = 40
    the median amplification of errors by the inverse is some hundreds. Interpolation on the circle,
    the other choice of an N-dimensional code, amplifies errors by some ten thousands.

    Returns
    -------
    (copies, N, N) array
        The first slice is the identity; the others are orthogonal (Haar distributed).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5,)))
    slices = [np.eye(blocks)]
    for _ in range(copies - 1):
        q, r = np.linalg.qr(rng.standard_normal((blocks, blocks)))
        slices.append(q * np.sign(np.diag(r)))
    return np.stack(slices)


def decode_weights(rows: Floats, indices: Integers) -> Floats:
    r"""Return weights W with W `rows` = I, which decode each block from the arrived rows.

    At the recovery threshold, S = N, only the u blocks that have not arrived uncoded need solving.
    Let P be the blocks that have arrived uncoded, U the other blocks, and C the combinations that
    have arrived. Then ::

        x_U = C_U^{-1} (y_C - C_P x_P)

    which takes u^2 (N + u/3) multiplications.

    Parameters
    ----------
    rows : (S, N) array
        Rows of the flattened `orthogonal_rows` that have arrived; S >= N.
    indices : (S,) integers
        Indices of these rows; row i < N is block i itself.

    Returns
    -------
    (N, S) array
        The weights, of minimum norm if S > N; NaN if floating point cannot decode.
    """
    arrived, blocks = rows.shape
    try:
        if arrived > blocks:
            q, r = np.linalg.qr(rows)
            shortest: Floats = np.linalg.solve(r, q.T)
            return shortest
        (plain,), (coded,) = (indices < blocks).nonzero(), (indices >= blocks).nonzero()
        known, is_known = indices[plain], np.zeros(blocks, dtype=np.bool_)
        is_known[known] = True
        (missing,) = (~is_known).nonzero()
        sides = np.zeros((len(missing), blocks))
        sides[:, plain] = -rows[coded[:, None], known]
        sides[np.arange(len(missing)), coded] = 1
        weights = np.zeros((blocks, blocks))
        weights[known, plain] = 1
        weights[missing] = np.linalg.solve(rows[coded[:, None], missing], sides)
    except np.linalg.LinAlgError:
        return np.full((blocks, arrived), np.nan)
    return weights
