"""A scheme of one's own that uses late messages: the sum of the newest gradient of every block."""

import numpy as np

from coded_dgd.schemes.base import ReplicationScheme
from coded_dgd.schemes.rules import Count


class Newest(ReplicationScheme):
    """One block and one message for each worker; done when `fresh` messages answer beta_t.

    Messages that are up to three iterations old stand for their blocks.
    """

    exact = False
    oldest = 3

    def __init__(self, name, workers, blocks, load, fresh: int = 2):
        super().__init__(name, workers, workers, 1)
        self.fresh = fresh

    def held(self, worker):
        return np.array([worker])

    def ends(self, worker):
        return (1,)

    @property
    def rule(self):
        return Count(self.fresh, self.expected)

    def suffices(self, ages, lost=()):
        return np.count_nonzero(ages == 0) >= self.fresh

    def weights(self, arrived, learnt=None):
        return arrived.astype(float)

    def weights_by_age(self, ages, learnt=None):
        return (ages >= 0).astype(float)
