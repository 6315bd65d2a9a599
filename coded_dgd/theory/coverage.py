"""This module treats schemes that complete when enough blocks of a ring are covered by arcs.

Each worker holds one arc of the ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from coded_dgd.schemes.base import Floats
from coded_dgd.theory.arrivals import ArrivalDistribution
from coded_dgd.theory.completion import Completion


class CoverageCompletion(Completion):
    """The iteration completes when all but `spare` of the N blocks of a ring are covered.

    Worker i has done the first R_i of the r blocks from its own start on. The state of the chain is
    the number of blocks c from there on that the workers behind have covered together. With
    m = max(c, R_i) and g blocks as far as the next start, max(g - m, 0) of these stay uncovered,
    and the next worker finds c = max(m - g, 0). The number of uncovered blocks therefore follows
    from
    a product of transfer matrices, one per worker. After one round c does not depend on where
    it began, so there is one initial c, and the trace of the product is over this one.
    Probabilities are only added and multiplied, so that small ones have small relative errors.

    Parameters
    ----------
    arrivals : sequence of ArrivalDistribution
        Distribution for each kind of worker.
    ring : (M,) sequence of pairs
        Kind of each worker, and the number of blocks from its start to the next one's, 0..r; these
        numbers sum to N.
    load : int
        Computation load r <= N.
    spare : int
        Number of blocks that may be missing.
    """

    def __init__(
        self,
        arrivals: Sequence[ArrivalDistribution],
        ring: Sequence[tuple[int, int]],
        load: int,
        spare: int,
    ) -> None:
        self._arrivals, self._ring = arrivals, ring
        self._load, self._spare = load, spare
        self._steps = sorted(set(ring))
        self._word = "".join(chr(self._steps.index(step)) for step in ring[:-1])
        self._others = lru_cache(maxsize=1)(self._multiply_out)

    def survival(self, t: float) -> float:
        laws = self._laws(t)
        if not any(laws[kind][:gap].any() for kind, gap in self._steps):
            return 0.0
        kind, gap = self._ring[-1]
        return min(1.0, self._too_many(self._others(t), self._transfer(laws[kind], gap)))

    def message_rate(self, t: float) -> float | None:
        if len(self._steps) > 1:
            return None
        kind, gap = self._ring[-1]
        densities = self._arrivals[kind].densities(t)
        if densities is None:
            return None
        one = np.append(densities, 0.0)[: self._laws(t).shape[1]]  # sends after 0, 1, ... tasks
        return len(self._ring) * self._too_many(self._others(t), self._transfer(one, gap))

    def messages_by(self, t: float) -> float:
        done = [each.probabilities(t) @ np.arange(self._load + 1) for each in self._arrivals]
        return float(sum(done[kind] for kind, _ in self._ring))

    @property
    def breakpoints(self) -> Floats:
        return np.unique(np.concatenate([each.breakpoints for each in self._arrivals]))

    @property
    def tail(self) -> float:
        starts = np.cumsum([0, *(gap for _, gap in [*self._ring, *self._ring])])
        stragglers = 1  # successive ones, behind a fast worker
        while stragglers < len(self._ring):
            uncovered = starts[stragglers + 1 :] - starts[: -stragglers - 1] - self._load
            if uncovered.max() > self._spare:
                break
            stragglers += 1
        return stragglers * min(each.tail for each in self._arrivals)

    def _laws(self, t: float) -> Floats:
        """Return P_j(t) for each kind of worker, up to the last j with a positive probability."""
        laws = np.array([each.probabilities(t) for each in self._arrivals])
        return laws[:, : 1 + int(np.flatnonzero(laws.any(axis=0))[-1])]

    def _transfer(self, law: Floats, gap: int) -> Floats:
        """Return the weights [z, c, c'] of one worker's step; z blocks stay uncovered."""
        states = max(1, len(law) - min(gap for _, gap in self._steps))
        farthest = np.triu(np.broadcast_to(law, (states, len(law))), 1)  # [c, m]
        np.fill_diagonal(farthest, np.cumsum(law))
        steps = np.zeros((min(gap, self._spare + 1) + 1, states, states))
        beyond = farthest[:, gap:]
        steps[0, :, : beyond.shape[1]] = beyond
        for m in range(min(gap, len(law))):
            steps[min(gap - m, self._spare + 1), :, 0] += farthest[:, m]
        return steps

    def _multiply_out(self, t: float) -> Floats:
        """Return the product of the steps of all workers but the last; equal parts are reused."""
        laws = self._laws(t)
        known = {
            chr(index): self._transfer(laws[kind], gap)
            for index, (kind, gap) in enumerate(self._steps)
        }
        known[""] = np.eye(known[chr(0)].shape[1])[None]

        def product(word: str) -> Floats:
            if word not in known:
                half = len(word) // 2
                known[word] = self._multiply(product(word[:half]), product(word[half:]))
            return known[word]

        return product(self._word)

    def _multiply(self, A: Floats, B: Floats) -> Floats:
        """Multiply polynomials in z of matrices; the last power stands for all higher ones too."""
        degree = len(A) + len(B) - 2
        product = np.array([_power(A, B, k) for k in range(min(degree, self._spare + 1) + 1)])
        if degree > self._spare + 1:
            product[-1] += _power(A, _at_least(B), self._spare + 2)
        return product

    def _too_many(self, A: Floats, B: Floats) -> float:
        """Return the trace of the product of A and B, for its last power of z only."""
        B = _at_least(B)
        i = np.arange(max(0, self._spare + 2 - len(B)), len(A))
        j = np.maximum(self._spare + 1 - i, 0)
        return float(np.einsum("icd,idc->", A[i], B[j]))


def _at_least(A: Floats) -> Floats:
    """Return, for each power of z, the sum of the coefficients from this power on."""
    return A[::-1].cumsum(axis=0)[::-1]


def _power(A: Floats, B: Floats, k: int) -> Floats:
    """Return the coefficient of z^k in the product of two polynomials of matrices."""
    first, last = max(0, k - len(B) + 1), min(k, len(A) - 1)
    states = A.shape[1]
    left = A[first : last + 1].transpose(1, 0, 2).reshape(states, -1)
    right = B[k - last : k - first + 1][::-1].reshape(-1, states)
    coefficient: Floats = left @ right
    return coefficient
