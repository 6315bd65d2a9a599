"""A scheme of one's own: --scheme my_scheme:PairMMC from the folder that holds this file.

Two workers are partners. Both hold the blocks of both; each begins with its own and sends after
every task, so that whoever of the two is faster also does the other's work. An option of one's own
is an argument of the constructor that has a default: --scheme my_scheme:PairMMC:apart=4.
"""

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes.base import ReplicationScheme
from coded_dgd.schemes.rules import Coverage


class PairMMC(ReplicationScheme):
    """N = M blocks; done when every block has been computed by one of its two holders.

    Held: the own block and that of worker i XOR `apart`, 1, 2, 4, ... ranks away. Sent: the
    gradient of each. Decoded: the sum of one copy of each.
    """

    def __init__(self, name, workers, blocks, load, apart: int = 1):
        super().__init__(name, workers, blocks, load)
        if apart < 1 or apart & (apart - 1) or workers % (2 * apart) or blocks != workers:
            raise Infeasible(
                f"{name} needs N = M, a multiple of 2 apart, with apart = 1, 2, 4, ..."
            )
        if load < 2:
            raise Infeasible(f"{name} has two tasks for each worker: use --load 2")
        self.load = 2
        self.partner = np.arange(workers) ^ apart
        self.block = np.column_stack([np.arange(workers), self.partner])

    def held(self, worker):
        return self.block[worker]

    def ends(self, worker):
        return (1, 2)

    @property
    def rule(self):
        return Coverage(self.blocks, self.block)

    def weights(self, arrived, learnt=None):
        own, copy = arrived[:, 0], arrived[:, 1]
        needed = copy & ~own[self.partner]  # the partner's own is not there
        return np.column_stack([own, needed]).astype(float)
