"""A dynamic scheme of one's own: whoever is free takes a block that nobody has finished."""

import numpy as np

from coded_dgd.schemes.dynamic import DynamicScheme


class TakeNext(DynamicScheme):
    """N blocks, block b on workers b, b + 1, ..., b + r - 1 (mod M), whole blocks of one task each.

    A worker takes its own blocks first, then of the others that it holds the one that the fewest
    have begun and nobody has finished.
    """

    def __init__(self, name, workers, blocks, load):
        super().__init__(name, workers, blocks, load)
        copies = min(workers, max(1, load * workers // blocks))
        self._held = [
            np.array(
                [b for k in range(copies) for b in range(blocks) if (b + k) % workers == worker]
            )
            for worker in range(workers)
        ]
        self.load = max(map(len, self._held))

    def held(self, worker):
        return self._held[worker]

    def next_task(self, worker, progress):
        open_tasks = [
            (len(progress.begun[block] + progress.waiting[block]), number)
            for number, block in enumerate(self._held[worker].tolist())
            if block not in progress.finished and block not in progress.lists[worker]
        ]
        return min(open_tasks)[1] if open_tasks else None
