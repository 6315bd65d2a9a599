"""Cyclic gradient codes: any n - s of n workers can recover the sum of n partial gradients.

Row i of the generator matrix B, (n, n), has its nonzeros at i, ..., i + s (mod n), and the vector
of ones is in the span of any n - s rows. Two constructions, both real:

- from a cyclic MDS code (Raviv et al.): circulant, very stable for small s; needs n - s odd;
- random (Tandon et al., Algorithm 2): from a random matrix whose null space holds all rows.
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
"""Random codes to choose the best from."""
LARGEST_SEARCH = 100
"""Workers up to which there is a choice: comparing is the work of n decodes each, and more."""
ALL_SETS, RANDOM_SETS = 100, 24
"""Sets of stragglers up to which all are looked at, and how many at random where there are more."""
NOISE, EPSILON = 1e-13, 1e-16
"""Largest residual of a good decode, and the size of a rounding error."""


def cyclic_code(n: int, s: int) -> Floats:
    """Return the generator matrix of the stabler construction for these numbers.

    Parameters
    ----------
    n : int
        Workers, and blocks.
    s : int
        Stragglers to tolerate, 0 <= s < n.

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
    """Circulant of the polynomial with s consecutive n-th roots of unity around -1 as its roots.

    The roots come in conjugate pairs, so it is real; 1 is none of them: the ones are in the code.
    Any n - s rows span the code because it is MDS (Raviv et al., "Gradient coding from cyclic MDS
    codes and expander graphs").
    """
    if (n - s) % 2 == 0:
        raise ValueError(f"n - s = {n - s} has to be odd for a real code")
    exponents = np.arange((n - s + 1) // 2, (n + s + 1) // 2)
    polynomial = np.poly(np.exp(2j * np.pi * exponents / n)).real
    row = np.zeros(n)
    row[: s + 1] = polynomial / np.abs(polynomial).max()
    return np.stack([np.roll(row, shift) for shift in range(n)])


def random_code(n: int, s: int, rng: np.random.Generator) -> Floats:
    """Tandon et al., "Gradient coding", Algorithm 2, with orthonormal instead of Gaussian H.

    The rows of B are in the null space of H : (s, n), whose columns sum to zero.
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
    """All a with a^T B = 1^T, for a code of n workers and s stragglers: shortest + null c."""

    shortest: Floats
    """Of shape (n,): the one of minimum norm, which is orthogonal to the others' differences."""
    null: Floats
    """Orthonormal basis of the a with a^T B = 0, of shape (n, s)."""


def solutions(B: Floats, s: int) -> Solutions:
    """Find all combinations of all n workers that make the sum, by singular values: once per code.

    Parameters
    ----------
    B : (n, n) array
        Generator matrix, of rank n - s.
    s : int
    """
    u, values, vt = np.linalg.svd(B)
    rank = len(B) - s
    shortest: Floats = u[:, :rank] @ (vt[:rank].sum(axis=1) / values[:rank])
    return Solutions(shortest, u[:, rank:])


def vanishing(of: Solutions, missing: Integers) -> Floats:
    """Weights that do without the missing workers, from a system of s x s instead of n x (n - s).

    Parameters
    ----------
    of : Solutions
    missing : (F,) integers, F <= s
        Workers that have not answered.

    Returns
    -------
    (n,) array
        The solution that is zero there, of minimum norm as in `decode_weights`. Check it: where the
        code is close to one of lower rank, or F > s, it does not make the sum.
    """
    c = np.linalg.lstsq(of.null[missing], -of.shortest[missing], rcond=None)[0]
    weights: Floats = of.shortest + of.null @ c
    weights[missing] = 0
    return weights


def decode_weights(rows: Floats) -> tuple[Floats, float]:
    """Weights a with a^T B_S = 1^T, and how far they are from it.

    Parameters
    ----------
    rows : (S, n) array
        B_S, the rows of the workers that have answered.

    Returns
    -------
    weights : (S,) array
        Least-squares solution of minimum norm.
    residual : float
        max |a^T B_S - 1|: the certificate. Only where it is tiny are these decode weights.
    """
    ones = np.ones(rows.shape[1])
    weights = np.linalg.lstsq(rows.T, ones, rcond=None)[0]
    return weights, float(np.abs(weights @ rows - ones).max())


def worst(B: Floats) -> float:
    """Largest error of a decode to be expected: residual, or rounding errors times amplification.

    Over all sets of s stragglers where these are few; otherwise over neighbours, which are the
    worst of a cyclic code, and some sets at random.
    """
    n = len(B)
    s = int(np.count_nonzero(B[0])) - 1
    found = 0.0
    for missing in _straggler_sets(n, s):
        answered = np.delete(B, missing, axis=0)
        weights, residual = decode_weights(answered)
        amplification = float((np.abs(weights) @ np.abs(answered)).max())
        # less is an accident of rounding, which another machine would not share
        found = max(found, residual if residual > NOISE else 0.0, EPSILON * amplification)
    return found


def _straggler_sets(n: int, s: int) -> Iterable[Integers]:
    if comb(n, s) <= ALL_SETS:
        return map(np.array, combinations(range(n), s))
    rng = np.random.default_rng(0)
    neighbours = [(first + np.arange(s)) % n for first in range(n)]
    return neighbours + [rng.choice(n, s, replace=False) for _ in range(RANDOM_SETS)]
