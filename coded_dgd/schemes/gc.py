"""`gc` is gradient coding (Tandon et al.), the baseline of Ozfatura et al.

::

    held     block b by worker i where B[i, b] != 0: r blocks, B of shape (M, N), N = M
    sent     sum over b of B[i, b] g_b, g_b being the gradient of block b, after all r tasks
    decoded  sum over i of a[i] sent_i with a^T B = 1^T, and a = 0 where nothing has arrived
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from coded_dgd.codes.circle import spread_ranks
from coded_dgd.codes.cyclic import Solutions, cyclic_code, decode_weights, solutions, vanishing
from coded_dgd.codes.repetition import groups
from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme, Threshold

CERTIFICATE = 1e-10
"""Largest accepted residual max |a^T B - 1| of decode weights."""


class GC(Threshold, ReplicationScheme):
    """``gc`` gives each worker r = s + 1 blocks and tolerates any s stragglers.

    Each worker sends one message; the recovery threshold is M - r + 1. The code is a fractional
    repetition code if r divides M, else a cyclic code. The weights carry a certificate: if they do
    not recover the sum to 1e-10 they are refused, and the decoder takes further messages.
    """

    def __init__(self, name: str, workers: int, blocks: int, load: int) -> None:
        super().__init__(name, workers, blocks, load)
        if blocks != workers:
            raise Infeasible(
                f"{name} needs as many blocks as workers: use --blocks {workers} or leave it out"
            )
        self.threshold = workers - load + 1
        self.repetition = workers % load == 0
        self.amplifies = not self.repetition
        if self.repetition:
            group = groups(workers, load)
            self.B = np.zeros((workers, workers))
            for worker in range(workers):
                self.B[worker, group[worker] * load + np.arange(load)] = 1.0
        else:
            # neighbouring ranks, which tend to be slow together, are not neighbours in the code
            self.B = cyclic_code(workers, load - 1)[spread_ranks(workers)]

    def held(self, worker: int) -> Integers:
        return np.flatnonzero(self.B[worker])

    def coefficients(self, worker: int) -> Floats:
        coefficients: Floats = self.B[worker, self.held(worker)]
        return coefficients

    def ends(self, worker: int) -> tuple[int, ...]:
        return (self.load,)

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        weights = np.zeros(arrived.shape)
        answered = np.flatnonzero(arrived)
        if self.repetition:
            _, first = np.unique(self.B[answered].argmax(axis=1), return_index=True)
            weights[answered[first]] = 1.0
            return weights
        weights[:, 0] = vanishing(self._solutions, np.flatnonzero(~arrived))
        if self._residual(weights) > CERTIFICATE:
            values, residual = decode_weights(self.B[answered])
            weights[answered, 0] = values if residual <= CERTIFICATE else np.nan
        return weights

    @cached_property
    def _solutions(self) -> Solutions:
        return solutions(self.B, self.load - 1)

    @cached_property
    def _support(self) -> Integers:
        return np.array([self.held(worker) for worker in range(self.workers)])

    def _residual(self, weights: Floats) -> float:
        """Return max |a^T B - 1| for a of shape (M, 1)."""
        terms = weights * np.take_along_axis(self.B, self._support, axis=1)
        sums = np.bincount(self._support.ravel(), terms.ravel(), self.blocks)
        return float(np.abs(sums - 1).max())
