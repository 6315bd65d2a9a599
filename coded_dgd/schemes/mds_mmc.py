"""`mds-mmc` codes products with Q = X^T X by an MDS code (moment encoding, arXiv 1805.08327).

::

    held     Q~_i^(j) = sum over b of G[i, j, b] Q_b, Q_b being N blocks of rows of Q = X^T X
    sent     Q~_i^(j) beta after task j, of length ceil(l/N)
    decoded  the N pieces Q_b beta, from any N messages, whose rows of G are invertible
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from coded_dgd.codes.further import LARGE, Further
from coded_dgd.codes.further_rows import FurtherRows
from coded_dgd.codes.mds import decode_weights, orthogonal_rows
from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import Bools, CodedScheme, Floats, Learnt, Threshold


class MDSMMC(Threshold, CodedScheme):
    """``mds-mmc`` forms Q = X^T X once and codes its row blocks; any N messages suffice.

    To encode Q is moment encoding (Maity, Rawat and Mazumdar, "Robust Gradient Descent via Moment
    Encoding with LDPC Codes", arXiv 1805.08327); this is its systematic MDS form with a message
    after every task. Ozfatura et al. note (footnote 1) that with Q known a task is a product with
    Q. Such a task is linear in the data, so no Lagrange code of degree 2 is needed. The code is
    over N row blocks of Q, each of ceil(l/N) rows. Any N messages decode, instead of 2 N - 1. No
    scheme needs fewer than N tasks. Payloads are ceil(l/N) numbers long instead of l.
    """

    of_gram_matrix: ClassVar[bool] = True
    most_blocks: ClassVar[int] = 400

    def __init__(self, name: str, workers: int, blocks: int, load: int) -> None:
        super().__init__(name, workers, blocks, load)
        self.threshold = self.pieces = blocks
        if workers * load < blocks:
            raise Infeasible(
                f"{name} with N = {blocks} needs {blocks} messages to decode but {workers} workers "
                f"send {workers * load}: use --load {-(-blocks // workers)} or more"
            )
        copies = -(-workers * load // blocks)
        rows = orthogonal_rows(blocks, copies).reshape(-1, blocks)[: workers * load]
        # message j of all workers comes before message j + 1: the first tasks are uncoded
        self._rows = rows.reshape(load, workers, blocks).transpose(1, 0, 2)
        self._indices = np.arange(load * workers).reshape(load, workers).T

    def generator(self, worker: int) -> Floats:
        rows: Floats = self._rows[worker]
        return rows

    def cautions(self, rows: int, features: int, iterations: int) -> list[str]:
        cautions = []
        if features > 2 * rows:
            cautions.append(
                f"{self.name}: a task with Q = X^T X is {features / (2 * rows):.1f} times the work "
                f"of one with X (l = {features}, m = {rows}): use lcc-mmc or uc-mmc"
            )
        if features > 2 * iterations:
            cautions.append(
                f"{self.name}: forming Q is the work of l/2 = {features // 2} whole gradients on "
                f"rank 0, and the run has {iterations} iterations: use lcc-mmc or uc-mmc"
            )
        return cautions

    def message_scales(self, block_norms: Floats) -> Floats:
        # Sizes of products with Q grow with its norm, not with the square; a block has size 1.
        return np.sqrt(self.blocks * super().message_scales(block_norms))

    def ends(self, worker: int) -> tuple[int, ...]:
        return tuple(range(1, self.load + 1))

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        weights = np.zeros((self.pieces, *arrived.shape))
        weights[:, arrived] = decode_weights(self._rows[arrived], self._indices[arrived])
        return weights if self.pieces > 1 else weights[0]

    def further(self, scales: Floats, limit: float) -> Further | None:
        if self.blocks < LARGE:
            return None
        rows = self._rows.reshape(-1, self.blocks)
        return FurtherRows(rows, self._indices.ravel(), scales, limit)
