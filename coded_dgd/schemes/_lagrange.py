"""This is Lagrange coded computation with k polynomials (Ozfatura et al., Section II).

::

    held     x~_i^(g, s) = f_g(beta_i^(s)), g = 1..k, where f_g(alpha_b) = x_(g, b) on n nodes
    sent     H(beta_i^(s)) = sum over g of f_g f_g^T theta at beta_i^(s), eqs. (5) and (6)
    decoded  sum over b of H(alpha_b) = X^T X theta, eq. (7), H interpolated from 2 n - 1 messages
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from coded_dgd.codes import circle
from coded_dgd.codes.further import LARGE, Further
from coded_dgd.codes.further_points import FurtherPoints
from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import Bools, CodedScheme, Floats, Learnt, Threshold


class LagrangeScheme(Threshold, CodedScheme):
    """A Lagrange code has k = `polynomials` (default r), each over n = ceil(N / k) nodes.

    Polynomial g interpolates the blocks g n, ..., (g + 1) n - 1; blocks of zeros fill up the last
    one. A worker sends floor(r / k) messages. A message is the sum over the k polynomials at one
    evaluation point, H of eq. (5), and takes k tasks. The recovery threshold is 2 n - 1 messages.
    """

    options: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, name: str, workers: int, blocks: int, load: int, polynomials: int | None = None
    ) -> None:
        super().__init__(name, workers, blocks, load)
        self.polynomials = k = load if polynomials is None else polynomials
        if k < 1:
            raise Infeasible(f"{name} needs K = 1 polynomial or more: use --scheme lcc-mmc")
        self.nodes = -(-blocks // k)
        self.threshold = 2 * self.nodes - 1
        per_worker = load // k
        if workers * per_worker < self.threshold:
            mends = [f"at least {-(-self.threshold // per_worker)} workers"] if per_worker else []
            for more in range(load + 1, blocks + 1):
                k = more if polynomials is None else polynomials
                if workers * (more // k) >= 2 * -(-blocks // k) - 1:
                    mends.insert(0, f"--load {more}")
                    break
            raise Infeasible(
                f"{name} with N = {blocks}, r = {load} needs {self.threshold} messages to decode "
                f"but {workers} workers send {workers * per_worker}: "
                f"use {' or '.join(mends) or 'fewer polynomials (K <= r) or another scheme'}"
            )
        self.points = circle.golden_placement(workers, per_worker)
        self.grid = workers * per_worker

    def generator(self, worker: int) -> Floats:
        values = circle.cardinal(self.points[worker], self.grid, self.nodes)
        messages, k, n = len(values), self.polynomials, self.nodes
        rows = np.zeros((messages, k, k, n))
        for g in range(k):
            rows[:, g, g, :] = values
        return rows.reshape(messages * k, k * n)[:, : self.blocks]

    def ends(self, worker: int) -> tuple[int, ...]:
        return self._ends

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(range(self.polynomials, self.load + 1, self.polynomials))

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        weights = np.zeros(arrived.shape)
        weights[arrived] = circle.sum_weights(self.points[arrived], self.grid, self.nodes)
        return weights

    def further(self, scales: Floats, limit: float) -> Further | None:
        if self.threshold < LARGE:
            return None
        return FurtherPoints(self.points.ravel(), self.grid, self.nodes, scales, limit)
