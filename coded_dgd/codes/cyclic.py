"""With cyclic gradient codes any n - s of n workers recover the sum of n partial gradients.

Row i of the generator matrix B, (n, n), has its nonzeros at i, ..., i + s (mod n), and the vector
of ones is in the span of any n - s rows. There are two constructions, both real:

- A cyclic MDS code (Raviv et al.) is circulant and very stable for small s; n - s must be odd.
- A random code (Tandon et al., Algorithm 2) has all rows in the null space of a random matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SEEDS = 8
"""Number of random codes from which the best is chosen."""
LARGEST_SEARCH = 100
"""Number n of workers up to which random codes are compared, each by n decodes or more."""
ALL_SETS, RANDOM_SETS = 100, 24
"""Number of straggler sets up to which all are checked, and number of random sets beyond it."""
NOISE, EPSILON = 1e-13, 1e-16
"""Largest residual of a good decode, and the size of a rounding error."""


def cyclic_code(n: int, s: int) -> Floats:
    """Return the generator matrix of the stabler construction for these numbers.

    Parameters
    ----------
    n : int
        Number of workers, and of blocks.
    s : int
        Number of stragglers to tolerate, 0 <= s < n.

    Returns
    -------
    (n, n) array
    """
    if s == 0:
        return np.eye(n)
    if (n - s) % 2 and 8 * s <= n:
        return mds_code(n, s)
    seeds = range(SEEDS if n <= LARGEST_SEARCH else 1)
    codes = [random_code(n, s, np.random.default_rng(seed)) for seed in seeds]
    return min(codes, key=worst) if len(codes) > 1 else codes[0]


def mds_code(n: int, s: int) -> Floats:
    """Return the circulant matrix of a polynomial whose roots are s n-th roots of unity.

    The roots are consecutive around -1, in conjugate pairs, so the matrix is real. As 1 is not a
    root, the vector of ones is in the code. Any n - s rows span the code because it is MDS (Raviv
    et al., "Gradient coding from cyclic MDS codes and expander graphs").
    """
    if (n - s) % 2 == 0:
        raise ValueError(f"n - s = {n - s} has to be odd for a real code")
    exponents = np.arange((n - s + 1) // 2, (n + s + 1) // 2)
    polynomial = np.poly(np.exp(2j * np.pi * exponents / n)).real
    row = np.zeros(n)
    row[: s + 1] = polynomial / np.abs(polynomial).max()
    return np.stack([np.roll(row, shift) for shift in range(n)])


def random_code(n: int, s: int, rng: np.random.Generator) -> Floats:
    """Return the code of Tandon et al., "Gradient coding", Algorithm 2, with orthonormal H.

    H is orthonormal instead of Gaussian. The rows of B are in the null space of H : (s, n), whose
    columns sum to zero.
    """
    H = rng.standard_normal((s, n))
    H -= H.mean(axis=1, keepdims=True)
    H = np.linalg.qr(H.T)[0].T
    B = np.zeros((n, n))
    for i in range(n):
        rest = (i + 1 + np.arange(s)) % n
        B[i, i] = 1
        B[i, rest] = np.linalg.solve(H[:, rest], -H[:, i])
        B[i] /= np.abs(B[i]).max()
    return B


class Solutions(NamedTuple):
    """The solutions a of a^T B = 1^T, for n workers and s stragglers, are shortest + null c."""

    shortest: Floats
    """Solution of minimum norm, of shape (n,), orthogonal to the columns of `null`."""
    null: Floats
    """Orthonormal basis of the solutions of a^T B = 0, of shape (n, s)."""


def solutions(B: Floats, s: int) -> Solutions:
    """Return all solutions a of a^T B = 1^T, by a singular value decomposition, once per code.

    Parameters
    ----------
    B : (n, n) array
        Generator matrix, of rank n - s.
    s : int
        Number of stragglers.
    """
    u, values, vt = np.linalg.svd(B)
    rank = len(B) - s
    shortest: Floats = u[:, :rank] @ (vt[:rank].sum(axis=1) / values[:rank])
    return Solutions(shortest, u[:, rank:])


def vanishing(of: Solutions, missing: Integers) -> Floats:
    """Return weights that are zero for the missing workers.

    The system to solve is s x s instead of n x (n - s) as in `decode_weights`.

    Parameters
    ----------
    of : Solutions
    missing : (F,) integers, F <= s
        Workers that have not answered.

    Returns
    -------
    (n,) array
        The solution that is zero at `missing`, of minimum norm as in `decode_weights`. The caller
        must check it: if the code is nearly of lower rank, or F > s, it does not yield the sum.
    """
    c = np.linalg.lstsq(of.null[missing], -of.shortest[missing], rcond=None)[0]
    weights: Floats = of.shortest + of.null @ c
    weights[missing] = 0
    return weights


def decode_weights(rows: Floats) -> tuple[Floats, float]:
    """Return weights a with a^T B_S = 1^T, and their residual.

    Parameters
    ----------
    rows : (S, n) array
        B_S, the rows of the workers that have answered.

    Returns
    -------
    weights : (S,) array
        Least-squares solution of minimum norm.
    residual : float
        max |a^T B_S - 1|. The weights decode the sum only if the residual is tiny.
    """
    ones = np.ones(rows.shape[1])
    weights = np.linalg.lstsq(rows.T, ones, rcond=None)[0]
    return weights, float(np.abs(weights @ rows - ones).max())


def worst(B: Floats) -> float:
    """Return the largest expected error of a decode: residual, or amplified rounding error.

    If there are few sets of s stragglers, all are checked. Otherwise sets of neighbours, which are
    the worst sets of a cyclic code, and some random sets are checked.
    """
    n = len(B)
    s = int(np.count_nonzero(B[0])) - 1
    found = 0.0
    for missing in _straggler_sets(n, s):
        answered = np.delete(B, missing, axis=0)
        weights, residual = decode_weights(answered)
        amplification = float((np.abs(weights) @ np.abs(answered)).max())
        # a smaller residual depends on rounding, which differs between machines
        found = max(found, residual if residual > NOISE else 0.0, EPSILON * amplification)
    return found


def _straggler_sets(n: int, s: int) -> Iterable[Integers]:
    if comb(n, s) <= ALL_SETS:
        return map(np.array, combinations(range(n), s))
    rng = np.random.default_rng(0)
    neighbours = [(first + np.arange(s)) % n for first in range(n)]
    return neighbours + [rng.choice(n, s, replace=False) for _ in range(RANDOM_SETS)]
