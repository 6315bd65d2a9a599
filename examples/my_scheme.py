"""A scheme of one's own: --scheme my_scheme:PairMMC from the folder that holds this file.

Workers 2i and 2i + 1 are partners. Both hold the blocks of both; each begins with its own and sends
after every task, so that whoever of the two is faster also does the other's work.
"""

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import ReplicationScheme
from coded_dgd.schemes.rules import Coverage


class PairMMC(ReplicationScheme):
    """N = M blocks; done when every block has been computed by one of its two holders."""

    def __init__(self, name, workers, blocks, load):
        super().__init__(name, workers, blocks, load)
        if workers % 2 or blocks != workers or load < 2:
            raise Infeasible(f"{name} needs an even number of workers, N = M and --load 2")
        self.load = 2
        self.block = np.arange(workers)[:, None] ^ np.array([0, 1])  # own block, then the partner's

    def held(self, worker):
        return self.block[worker]

    def ends(self, worker):
        return (1, 2)

    @property
    def rule(self):
        return Coverage(self.blocks, self.block)

    def weights(self, arrived, learnt=None):
        own, partner = arrived[:, 0], arrived[:, 1]
        needed = partner & ~own[np.arange(self.workers) ^ 1]  # the partner's own is not there
        return np.column_stack([own, needed]).astype(float)
