"""Encode the data and hand them out, in one pass over the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coded_dgd.engine.protocol import Floats, Plan
from coded_dgd.engine.transports.base import Transport
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources import Source
from coded_dgd.schemes.base import Scheme


@dataclass
class DataSums:
    """What the master keeps of the data."""

    Xy: Floats
    """X^T y, of shape (l,)."""
    yy: float
    """||y||^2."""
    block_norms: Floats
    """Squared Frobenius norms of the N blocks."""


def distribute(
    source: Source,
    scheme: Scheme,
    transport: Transport,
    *,
    objective: str,
    delay: str,
    seed: int,
    window: int = 1 << 25,
) -> DataSums:
    """Tell every worker its plan and give it its blocks.

    Workers of a coded scheme get X~ = G X, the rows of the generator matrix times the blocks, and
    no labels; the others get copies of blocks with their labels. Rank 0 holds one window of the
    input, and what is on its way to the workers.

    Parameters
    ----------
    window : int
        Bytes of input to hold at once.
    """
    partition = Partition(source.rows, scheme.blocks)
    generators = [scheme.generator(worker) for worker in range(scheme.workers)]
    for worker, rows in enumerate(generators):
        plan = Plan(
            worker=worker,
            tasks=len(rows),
            height=partition.height,
            features=source.features,
            labels=not scheme.coded,
            ends=scheme.ends(worker),
            objective=objective,
            delay=delay,
            seed=seed,
        )
        transport.plan(plan)
    sums = DataSums(np.zeros(source.features), 0.0, np.zeros(scheme.blocks))
    for start, X, y in partition.windows(source, window):
        sums.Xy += np.einsum("nk,nkl->l", y, X)
        sums.yy += float(np.vdot(y, y))
        sums.block_norms += np.einsum("nkl,nkl->n", X, X)
        for worker, rows in enumerate(generators):
            if not len(rows):
                continue
            if scheme.coded:
                coded = rows @ X.reshape(len(X), -1)
                transport.piece(worker, start, coded.reshape(-1, *X.shape[1:]), None)
            else:
                blocks = rows.argmax(axis=1)
                transport.piece(worker, start, X[blocks], y[blocks])
    return sums
