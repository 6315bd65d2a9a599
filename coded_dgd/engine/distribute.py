"""Encode the data and hand them out, in one pass over the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coded_dgd.engine.protocol import Floats, Plan
from coded_dgd.engine.transports.base import Transport
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources import Source
from coded_dgd.problems.sources.gram import GramSource
from coded_dgd.schemes.base import Scheme


@dataclass
class Distributed:
    """What the master keeps of the data."""

    partition: Partition
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
) -> Distributed:
    """Tell every worker its plan and give it its blocks.

    Workers of a coded scheme get X~ = G X, the rows of the generator matrix times the blocks, and
    no labels; the others get copies of blocks with their labels. Rank 0 holds one window of the
    input, and what is on its way to the workers.

    Parameters
    ----------
    window : int
        Bytes of input to hold at once.
    """
    gram = GramSource(source) if scheme.gram else None
    data = gram or source
    partition = Partition(data.rows, scheme.blocks)
    for worker in range(scheme.workers):
        coefficients = scheme.coefficients(worker)
        transport.plan(
            Plan(
                worker=worker,
                tasks=scheme.tasks(worker),
                height=partition.height,
                features=data.features,
                labels=not scheme.coded,
                ends=scheme.ends(worker),
                coefficients=None if (coefficients == 1).all() else tuple(coefficients.tolist()),
                unit=float(scheme.work[0]),
                product=scheme.gram,
                objective=objective,
                delay=delay,
                seed=seed,
            )
        )
    kept = Distributed(partition, np.zeros(data.features), 0.0, np.zeros(scheme.blocks))
    for start, X, y in partition.windows(data, window):
        kept.Xy += np.einsum("nk,nkl->l", y, X)
        kept.yy += float(np.vdot(y, y))
        kept.block_norms += np.einsum("nkl,nkl->n", X, X)
        for worker in range(scheme.workers):
            if scheme.tasks(worker):
                labels = None if scheme.coded else scheme.encode(worker, y)
                transport.piece(worker, start, scheme.encode(worker, X), labels)
    if gram:
        kept.Xy, kept.yy = gram.Xy, gram.yy
    return kept
