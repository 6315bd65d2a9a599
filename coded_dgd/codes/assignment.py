"""Functions that assign copies of data vectors to workers.

They follow Bitar et al., Sections II-B, III and IV.
"""

from __future__ import annotations

import itertools
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import Infeasible

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def proportional_copies(norms: Floats, redundancy: float, workers: int) -> Integers:
    """Return numbers of copies d_i proportional to ||x_i||^2, with average d.

    d_i is sigma ||x_i||^2, clipped to 1..n, where sigma makes the sum round(m d). The d_i are
    rounded down, then those with the largest remainders are rounded up, so that the sum is exactly
    round(m d).

    Parameters
    ----------
    norms : (m,) array
        ||x_i||^2; if all are zero, they count as equal.
    redundancy : float
        Average number d of copies, 1 <= d <= n.
    workers : int
        n.

    Returns
    -------
    (m,) integers

    References
    ----------
    Bitar et al., Section IV (which assumes that the d_i are integers).
    """
    total = round(len(norms) * redundancy)
    weights = norms / norms.mean() if norms.any() else np.ones(len(norms))
    low, high = 0.0, float(workers) / max(weights[weights > 0].min(), 1e-300)
    while low < (sigma := (low + high) / 2) < high:  # the clipped sum increases with sigma
        if np.clip(sigma * weights, 1, workers).sum() < total:
            low = sigma
        else:
            high = sigma
    ideal = np.clip(high * weights, 1, workers)
    copies: Integers = np.floor(ideal + 1e-9).astype(np.int64)
    remainder = np.where(copies < workers, ideal - copies, -np.inf)
    while (missing := total - int(copies.sum())) > 0:  # more than one round if rows are all zero
        up = np.argsort(-remainder, kind="stable")[:missing]
        up = up[copies[up] < workers]
        copies[up] += 1
        remainder = np.where(copies < workers, remainder, -np.inf)
    return copies


def random_assignment(copies: Integers, workers: int, rng: np.random.Generator) -> list[Integers]:
    """Assign vector i to `copies[i]` distinct workers, uniformly at random.

    Returns
    -------
    list of integers
        Vectors that each worker holds, ascending.
    """
    ranks = np.argsort(rng.random((len(copies), workers)), axis=1)
    vector = np.repeat(np.arange(len(copies)), copies)
    worker = np.concatenate([row[:count] for row, count in zip(ranks, copies, strict=True)])
    order = np.lexsort((vector, worker))
    bounds = np.searchsorted(worker[order], np.arange(workers + 1))
    return [vector[order][a:b] for a, b in itertools.pairwise(bounds)]


def balanced_design(vectors: int, workers: int, copies: int) -> NDArray[np.bool_]:
    """Return an exactly pair-wise balanced design: every two vectors meet on d^2 / n workers.

    The function knows three families: d = n (each worker holds every vector); n a power of two and
    d = n/2 (rows of a Sylvester-Hadamard matrix), for up to n - 1 vectors; n = q^2 and d = q with q
    prime (a line of each direction in the affine plane), for up to q + 1 vectors. No design has
    more than n - 1 vectors, unless d = n.

    Returns
    -------
    (vectors, workers) bools

    Raises
    ------
    Infeasible
        If no design is known for these numbers; the message names numbers with a known design.

    References
    ----------
    Bitar et al., Definition 1.
    """
    n, d, q = workers, copies, isqrt(workers)
    if d == n or (vectors == 1 and 1 <= d <= n):
        return np.broadcast_to(np.arange(n) < d, (vectors, n))
    if n & (n - 1) == 0 and 2 * d == n and vectors <= n - 1:
        row, column = np.arange(1, vectors + 1)[:, None], np.arange(n)
        parity = np.zeros((vectors, n), dtype=np.int64)
        for bit in range(n.bit_length()):
            parity ^= (row >> bit) & (column >> bit) & 1
        design: NDArray[np.bool_] = parity == 0
        return design
    if q * q == n and d == q and vectors <= q + 1 and all(q % k for k in range(2, isqrt(q) + 1)):
        x, y = np.divmod(np.arange(n), q)
        lines = [x == 0] + [(y - slope * x) % q == 0 for slope in range(q)]
        return np.array(lines[:vectors])
    power = 1 << max(1, vectors).bit_length()
    raise Infeasible(
        f"no exactly pair-wise balanced design of {vectors} blocks on {n} workers with "
        f"redundancy {d} is known: use {power} workers with --redundancy {power // 2}, "
        f"--redundancy {n}, fewer --blocks, or --assignment random"
    )
