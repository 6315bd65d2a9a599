r"""Lagrange interpolation on the circle is the code behind every Lagrange coded scheme.

The papers interpolate a polynomial through real points :math:`\alpha_i` and evaluate it at other
real points :math:`\beta`. With equispaced real points no digit is correct at N = 40. Here the same
code is on the circle: with the substitution :math:`z = \tan(t/2)` it is the code of the papers with
known row scalings. So the recovery threshold is the same, but the numbers stay accurate.

Symbols
-------
n
    nodes, at the angles :math:`\alpha_i = 2 \pi i / n`.
K
    evaluation points on a grid, at :math:`t_p = 2 \pi p / K`.
f(t)
    interpolates the n data blocks: f(alpha_i) = X_i (Ozfatura et al., eqs. 3, 4 and 8).
h(t) = f(t)^T f(t) theta
    a real trigonometric polynomial of dimension 2 n - 1 (eqs. 5 and 9). The gradient is
    h(alpha_1) + ... + h(alpha_n), which is n times the mean of h over the circle.

All angles are rational multiples of pi and are reduced as integers before a sine is computed.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Extended = NDArray[np.longdouble]

GOLDEN = (5**0.5 - 1) / 2
LARGEST_TABLE = 2**18
"""Maximum number of chords that are looked up at once: 4 MB."""
EXTENDED = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
"""Whether long double on this platform is more precise than float64."""


def sin_pi(a: Integers, q: int) -> Floats:
    """Return sin(pi a / q) for integers `a`, with the angle first reduced to the first octant."""
    a = np.mod(a, 2 * q)
    sign = np.where(a >= q, -1.0, 1.0)
    a = np.where(a >= q, a - q, a)
    a = np.minimum(a, q - a)
    near_zero = 4 * a <= q
    value = np.where(near_zero, np.sin(np.pi * a / q), np.cos(np.pi * (q - 2 * a) / (2 * q)))
    return sign * value


def cos_pi(a: Integers, q: int) -> Floats:
    """Return cos(pi a / q) for integers `a`, with the same reduction as `sin_pi`."""
    return sin_pi(2 * np.asarray(a) + q, 2 * q)


def cardinal(points: Integers, grid: int, nodes: int) -> Floats:
    """Return the cardinal functions of the interpolation nodes at grid points.

    Parameters
    ----------
    points : (S,) integers
        Grid indices p, at the angles 2 pi p / `grid`.
    grid : int
        K, the number of grid points.
    nodes : int
        n, even or odd.

    Returns
    -------
    (S, n) array
        E with f(t_p) = sum_i E[p, i] X_i. Rows have unit norm, so encoding never amplifies. If a
        grid point is a node, its row is exactly a unit vector.
    """
    difference = np.asarray(points)[:, None] * nodes - grid * np.arange(nodes)
    numerator = sin_pi(difference, grid)
    denominator = nodes * sin_pi(difference, grid * nodes)
    return np.divide(numerator, denominator, out=np.ones_like(numerator), where=difference != 0)


def van_der_corput_order(count: int) -> Integers:
    """Return 0..count-1 in the order of the base-2 van der Corput sequence, 0 first."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = [int(f"{j:0{bits}b}"[::-1], 2) for j in range(count)]
    order = np.empty(count, dtype=np.int64)
    order[np.argsort(reversed_bits)] = np.arange(count)
    return order


def spread_ranks(workers: int) -> Integers:
    """Return a permutation of 0..workers-1 that sends neighbours far apart on the circle.

    Its stride is sqrt(3) - 1 of the circle. So workers on one host, which tend to be slow together,
    get evaluation points all around the circle. (A golden stride would resonate with the golden
    shift from one message to the next: docs/numerics.md.)
    """
    quarter = -(-workers // 4)
    far = (s for s in range(quarter, workers - quarter + 1) if gcd(s, workers) == 1)
    stride = min(far, key=lambda s: abs(s - workers * (3**0.5 - 1)), default=1)
    return np.arange(workers, dtype=np.int64) * stride % workers


def golden_placement(workers: int, messages: int) -> Integers:
    """Place the messages of all workers on the grid of ``workers * messages`` points.

    The order in which results arrive determines the conditioning. The messages with number j of all
    workers form a complete coset of the grid, and each worker's first messages are spread by the
    golden ratio.

    Returns
    -------
    (workers, messages) integers
        Grid index of message j of worker i; every index occurs once.
    """
    order = van_der_corput_order(messages)
    shift = np.floor(workers * np.mod(GOLDEN * np.arange(messages), 1.0)).astype(np.int64)
    coset = (spread_ranks(workers)[:, None] + shift) % workers
    points: Integers = messages * coset + order
    return points


@lru_cache(maxsize=4)
def _cosines_and_sines(grid: int) -> tuple[Floats, Floats]:
    indices = 2 * np.arange(grid)
    return np.sqrt(2) * cos_pi(indices, grid), np.sqrt(2) * sin_pi(indices, grid)


def basis(points: Integers, grid: int, nodes: int) -> Floats:
    """Return an orthonormal basis of the space of h, at grid points; the constant comes last.

    Returns
    -------
    (S, 2 n - 1) array
        Columns sqrt(2) cos(k t), sqrt(2) sin(k t) for k = 1..n-1, then 1.
    """
    cosines, sines = _cosines_and_sines(grid)
    turns = np.multiply.outer(np.asarray(points), np.arange(1, nodes)) % grid
    return np.hstack([cosines[turns], sines[turns], np.ones((len(turns), 1))])


def evaluate(x: Floats, grid: int, nodes: int) -> Floats:
    """Return V x with V the `basis` at all points of the grid, by a Fourier transform.

    Parameters
    ----------
    x : (2 n - 1,) array
        Coefficients.
    grid, nodes : int
        K >= 2 n - 1, and n.

    Returns
    -------
    (K,) array
    """
    spectrum = np.zeros(grid // 2 + 1, dtype=np.complex128)
    spectrum[0] = x[-1]
    spectrum[1:nodes] = (x[: nodes - 1] - 1j * x[nodes - 1 : -1]) / np.sqrt(2)
    values: Floats = np.fft.irfft(grid * spectrum, grid)
    return values


def project(weights: Floats, points: Integers, grid: int, nodes: int) -> Floats:
    """Return V^T w with V the `basis` at some points of the grid, by a Fourier transform.

    Parameters
    ----------
    weights : (S,) array
        w.
    points : (S,) integers
        Different grid indices.
    grid, nodes : int
        K >= 2 n - 1, and n.

    Returns
    -------
    (2 n - 1,) array
    """
    values = np.zeros(grid)
    values[points] = weights
    spectrum = np.fft.rfft(values)
    harmonics = np.sqrt(2) * spectrum[1:nodes]
    return np.concatenate([harmonics.real, -harmonics.imag, spectrum[:1].real])


def sum_weights(points: Integers, grid: int, nodes: int) -> Floats:
    """Return weights w with sum_i h(alpha_i) = sum_k w_k h(t_k), from S >= 2 n - 1 grid points.

    The weights are unique at the recovery threshold, S = 2 n - 1, and have minimum norm beyond it.
    docs/numerics.md compares the two methods that compute them.

    Returns
    -------
    (S,) array
        The weights, not finite if the points do not determine h in floating point.
    """
    if EXTENDED and len(points) == 2 * nodes - 1:
        weights = interpolation_weights(points, grid, nodes)
        if np.isfinite(weights).all():
            return weights
    return shortest_weights(points, grid, nodes)


@lru_cache(maxsize=4)
def _chords(grid: int) -> Extended:
    """Return chords 2 sin(pi d / `grid`) for d = 0..2 grid - 1, so that -d is a valid index too.

    This is the signed chord between two grid points. For d = 0 it is 1, which leaves products
    unchanged.
    """
    steps = np.arange(grid)
    angles = np.minimum(steps, grid - steps) * np.arccos(np.longdouble(-1)) / grid
    half = 2 * np.sin(angles)
    chords = np.concatenate([half, -half])
    chords[0] = 1
    return chords


@lru_cache(maxsize=16)
def _coset(grid: int, nodes: int) -> int:
    """Return the least divisor of `grid` that is at least `nodes`; `grid` must be at least that."""
    return next(size for size in range(nodes, grid + 1) if grid % size == 0)


def interpolation_weights(points: Integers, grid: int, nodes: int) -> Floats:
    r"""Return the weights of trigonometric interpolation at the threshold, S = 2 n - 1.

    The mean of h over the circle is its mean over any G >= n equally spaced points. Take G grid
    points of which as many as possible are among the t_k. At each of the other points a,
    interpolate h(a) = sum_k c_k(a) h(t_k) with the cardinal functions of an odd number of points ::

        c_k(a) = prod_{j != k} sin((a - t_j) / 2) / sin((t_k - t_j) / 2)

    in barycentric form (Henrici, "Barycentric formulas for interpolating trigonometric polynomials
    and their conjugates", 1979). Products of chords have small relative errors, and so have the
    weights, even if they are large. Only the sum over a has cancellation, sometimes by a factor of
    a hundred, so it is computed in extended precision.

    Returns
    -------
    (S,) array
        The weights, not finite if a product overflows or underflows.
    """
    chords, size = _chords(grid), _coset(grid, nodes)
    step = grid // size
    here = np.zeros(grid, dtype=np.bool_)
    here[points] = True
    cosets = here.reshape(size, step)
    best = int(cosets.sum(axis=0).argmax())
    missing = best + step * (~cosets[:, best]).nonzero()[0]
    rows = max(1, LARGEST_TABLE // len(points))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        sums = np.zeros(len(points), dtype=np.longdouble)
        for some in _split(missing, rows):
            gaps = chords[np.subtract.outer(some, points)]
            sums += np.multiply.reduce(gaps, axis=1) @ (1 / gaps)
        own = [
            np.multiply.reduce(chords[np.subtract.outer(some, points)], axis=1)
            for some in _split(points, rows)
        ]
        weights = nodes / size * (sums / np.concatenate(own) + (points % step == best))
    rounded: Floats = weights.astype(np.float64)
    return rounded


def _split(points: Integers, length: int) -> list[Integers]:
    return [points[first : first + length] for first in range(0, len(points), length)]


def shortest_weights(points: Integers, grid: int, nodes: int) -> Floats:
    """Return the weights of minimum norm from S >= 2 n - 1 points, by least squares over all.

    The constraint is V^T w = n e with e the constant function. As the constant is the last column
    of V = Q R, forward substitution leaves one term: w = n Q[:, -1] / R[-1, -1].

    Returns
    -------
    (S,) array
        The weights, not finite if the points do not determine h in floating point.
    """
    q, r = np.linalg.qr(basis(points, grid, nodes))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weights: Floats = nodes * q[:, -1] / r[-1, -1]
    return weights
