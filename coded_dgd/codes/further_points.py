"""Weights of a Lagrange code are updated for each message beyond the recovery threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes import circle
from coded_dgd.codes.further import Further

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REGULAR = 1e-12
"""Size of the multiple of the identity below V, per norm of a column of V with all points."""
ROUNDING = 2e-15
"""Largest residual of V^T w = n e, per norm of w and of a column of V with all points."""
ROUGH = 1e-12
"""The same where the error amplification is above twice the limit, so that w will not be used."""
STEPS = 6
"""Largest number of steps of refinement."""
SEPARATE = 16
"""Largest number of points that are kept beside the triangular factor."""
PANEL = 16
"""Number of columns of the triangular factor that are updated at once."""


class FurtherPoints(Further):
    r"""The weights of `circle.shortest_weights`, with ever more points.

    The shortest weights are w = V x with V^T V x = n e. They take steps of iterative refinement ::

        x <- x + (V^T V + delta^2 I)^{-1} (n e - V^T w),   w = V x

    with a `Factor` of the matrix (corrected seminormal equations: Bjorck, "Stability analysis of
    the method of seminormal equations for linear least squares problems", 1987). They are used only
    if V^T w = n e holds up to rounding errors; otherwise they are computed anew.

    Whatever x is, the trigonometric polynomial p = V x bounds the error amplification of all
    weights of these points from below. With x_0 the mean of p, n x_0 = sum_k w_k p(t_k), so ::

        sum_k abs(w_k) s_k  >=  n abs(x_0) / max_k (abs(p(t_k)) / s_k)

    The polynomial is large only where points are missing. As long as a further point leaves the
    bound above the limit, there is nothing to compute.

    Parameters
    ----------
    points : (M J,) integers
        Grid index of each message.
    grid, nodes : int
        K and n, as in `circle.basis`.
    scales : (M J,) array
        Size of each message, as `Scheme.message_scales` returns them.
    limit : float
        Largest error amplification of weights that will be used.
    """

    def __init__(
        self, points: Integers, grid: int, nodes: int, scales: Floats, limit: float
    ) -> None:
        self._points, self._grid, self._nodes = points, grid, nodes
        self._scales, self._limit = scales, limit
        self._factor: Factor | None = None
        self._polynomial = np.empty(0)  # on the grid, per mean
        self._bound = 0.0
        self._bounded = 0  # number of messages of the bound

    def take(self, messages: Sequence[int]) -> float:
        here = np.array(messages)
        if self._bound > self._limit:
            self._lower(here[self._bounded :])
        return self._bound if self._bound > self._limit else self._compute(here)

    def _lower(self, messages: Integers) -> None:
        """Lower the bound for further messages."""
        values = np.abs(self._polynomial[self._points[messages]]) / self._scales[messages]
        self._bound = min(self._bound, self._nodes / max(float(np.max(values, initial=0)), 1e-300))
        self._bounded += len(messages)

    def _compute(self, here: Integers) -> float:
        points = self._points[here]
        if self._factor is None:
            self._factor = Factor(points, self._grid, self._nodes)
        else:
            self._factor.append(points[self._factor.points :])
        found = self._refine(self._factor, here)
        if found is None and self._factor.merge():
            found = self._refine(self._factor, here)
        if found is None:
            self.weights = circle.shortest_weights(points, self._grid, self._nodes)
            found = float(np.abs(self.weights) @ self._scales[here])
        return found

    def _refine(self, factor: Factor, here: Integers) -> float | None:
        """Return the error amplification or a bound above the limit; None without success."""
        points, mean, values = self._points[here], 0.0, np.zeros(self._grid)
        residual = np.zeros(2 * self._nodes - 1)
        residual[-1] = self._nodes
        for _ in range(STEPS):
            step = factor.solve(residual)
            mean += step[-1]
            values += circle.evaluate(step, self._grid, self._nodes)
            if not mean:
                return None
            self._polynomial = values / mean
            self._bound, self._bounded = np.inf, 0
            self._lower(here)
            if self._bound > self._limit:
                return self._bound
            self.weights = values[points]
            residual = -circle.project(self.weights, points, self._grid, self._nodes)
            residual[-1] += self._nodes
            amplification = float(np.abs(self.weights) @ self._scales[here])
            enough = ROUNDING if amplification <= 2 * self._limit else ROUGH
            size = np.linalg.norm(self.weights) * np.sqrt(self._grid)
            if np.linalg.norm(residual) <= enough * size:
                return amplification
        return None


class Factor:
    """A factorisation of V^T V + delta^2 I to which points can be appended.

    R is the triangular factor of the first points and of delta I below them, which keeps it
    invertible whatever the points. The last points, at most `SEPARATE`, are kept beside it as
    columns Y = R^{-T} v, and solved for by an orthonormal basis of [Y; I] (Woodbury). Then they
    are merged into R, all at once.

    Parameters
    ----------
    points : (S,) integers
        Grid indices.
    grid, nodes : int
        K and n, as in `circle.basis`.
    """

    def __init__(self, points: Integers, grid: int, nodes: int) -> None:
        from scipy.linalg import blas, lapack

        self._solve, self._update = blas.dtrsv, lapack.dtpqrt
        self._grid, self._nodes = grid, nodes
        size = 2 * nodes - 1
        triangle = np.linalg.qr(circle.basis(points, grid, nodes), mode="r")
        self._triangle = np.asfortranarray(triangle)
        self._append_rows(np.asfortranarray(REGULAR * np.sqrt(grid) * np.eye(size)), size)
        self.points = len(points)
        """Number of points."""
        self._rows = np.empty((0, size))
        self._columns = self._basis = np.empty((size, 0))

    def append(self, points: Integers) -> None:
        """Append further points."""
        self.points += len(points)
        rows = circle.basis(points, self._grid, self._nodes)
        self._rows = np.concatenate([self._rows, rows])
        if len(self._rows) > SEPARATE:
            self.merge()
        elif len(rows):
            columns = [self._solve(self._triangle, row, trans=1) for row in rows]
            self._columns = np.column_stack([self._columns, *columns])
            stacked = np.vstack([self._columns, np.eye(len(self._rows))])
            self._basis = np.linalg.qr(stacked)[0][: len(self._columns)]

    def merge(self) -> bool:
        """Update R by the points that are kept beside it; return whether there were any."""
        rows = self._rows
        if not len(rows):
            return False
        self._append_rows(np.asfortranarray(rows))
        self._rows, self._columns = rows[:0], self._columns[:, :0]
        self._basis = self._columns
        return True

    def _append_rows(self, rows: Floats, triangular: int = 0) -> None:
        """Update R by rows in Fortran order, of which the last `triangular` form a triangle."""
        panel = min(PANEL, len(self._triangle))
        self._triangle = self._update(
            triangular, panel, self._triangle, rows, overwrite_a=True, overwrite_b=True
        )[0]

    def solve(self, right: Floats) -> Floats:
        """Return (V^T V + delta^2 I)^{-1} times a vector of 2 n - 1 numbers."""
        half = self._solve(self._triangle, right, trans=1)
        half -= self._basis @ (half @ self._basis)
        solved: Floats = self._solve(self._triangle, half)
        return solved
