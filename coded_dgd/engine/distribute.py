"""Encode the data and hand them out, in one pass over the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from coded_dgd.config import RunConfig
from coded_dgd.engine.crew import Crew
from coded_dgd.engine.protocol import Floats, Plan
from coded_dgd.errors import DataError, Interrupted
from coded_dgd.problems import sparse
from coded_dgd.problems.partition import Partition, Window
from coded_dgd.problems.sources import Source
from coded_dgd.problems.sources.gram import GramSource
from coded_dgd.problems.sources.svm import SparseSource
from coded_dgd.problems.sparse import SparseRows, SparseWindow

WINDOW = 1 << 25
"""Bytes of input to hold at once."""
FLOAT32_NORM = 1e15
"""Norm up to which squares and their sums stay well below 3e38, the largest float32."""


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


def payload(source: Source, blocks: int, gram: bool) -> int:
    """Length of the payload of a message: l, or the height of a block of X^T X."""
    return Partition(source.features, blocks).height if gram else source.features


def distribute(
    source: Source,
    crew: Crew,
    config: RunConfig,
    *,
    only: Iterable[int] | None = None,
    window: int = WINDOW,
) -> Distributed:
    """Tell every worker its plan and give it its blocks.

    Workers of a coded scheme get X~ = G X, the rows of the generator matrix times the blocks, and
    no labels; the others get copies of blocks with their labels. Rank 0 holds one window of the
    input, and what is on its way to the workers.

    Parameters
    ----------
    only : iterable of int, optional
        Workers to serve; by default all.
    window : int
        Bytes of input to hold at once.
    """
    scheme, transport = crew.scheme, crew.transport
    gram = GramSource(source) if scheme.gram else None
    data = gram or source
    partition = Partition(data.rows, scheme.blocks)
    served = list(range(scheme.workers) if only is None else only)
    for worker in served:
        coefficients = scheme.coefficients(worker)
        plan = Plan(
            lane=crew.lane,
            replaces=crew.replaces,
            worker=crew.draws[worker],
            tasks=scheme.tasks(worker),
            height=partition.height,
            features=data.features,
            labels=not scheme.coded,
            ends=scheme.ends(worker),
            coefficients=None if (coefficients == 1).all() else tuple(coefficients.tolist()),
            unit=float(scheme.work[0]),
            product=scheme.gram,
            objective=config.objective,
            delay=config.delay,
            seed=config.seed,
            dtype=config.dtype,
            kernel=crew.kernel,
            timeline=transport.marks is not None,
        )
        if logs := transport.logs:
            file = logs.file(crew.members[worker] + 1)
            plan = replace(plan, log=file, log_level=logs.level)
        transport.plan(crew.members[worker], plan)
    kept = Distributed(partition, np.zeros(data.features), 0.0, np.zeros(scheme.blocks))
    for start, X, y in _windows(partition, data, window, crew.kernel):
        if transport.interrupted:
            raise Interrupted("stopped while the data were handed out: start it again")
        kept.yy += float(np.vdot(y, y))
        if isinstance(X, SparseRows):
            kept.Xy += X.transposed_product(y)
            kept.block_norms += X.squared_norms()
        else:
            kept.Xy += np.einsum("nk,nkl->l", y, X)
            kept.block_norms += np.einsum("nkl,nkl->n", X, X)
        held: Any = X
        labels = y
        if not scheme.coded:  # copies: once is enough
            held, labels = X.astype(config.dtype, copy=False), y.astype(config.dtype, copy=False)
        for worker in served:
            if scheme.tasks(worker):
                rows = scheme.encode(worker, held).astype(config.dtype, copy=False)
                own = None if scheme.coded else scheme.encode(worker, labels)
                transport.piece(crew.members[worker], start, rows, own)
    if crew.kernel == "gram" and only is None:  # forming is no part of the first iteration
        transport.settle(crew.members)
    if gram:
        kept.Xy, kept.yy = gram.Xy, gram.yy
    if config.dtype == "float32":
        _refuse_out_of_range(data, kept)
    return kept


def _windows(
    partition: Partition, data: Source, size: int, kernel: str
) -> Iterator[Window] | Iterator[SparseWindow]:
    if kernel == "sparse":
        assert isinstance(data, SparseSource)
        return sparse.windows(partition, data, size)
    return partition.windows(data, size)


def _refuse_out_of_range(data: Source, kept: Distributed) -> None:
    """Refuse data whose squares float32 cannot hold.

    Raises
    ------
    DataError
        With the mend.
    """
    for what, norm in (("X", sqrt(kept.block_norms.sum())), ("the labels", sqrt(kept.yy))):
        if norm and not 1 / FLOAT32_NORM < norm < FLOAT32_NORM:
            raise DataError(
                f"{data.name}: the norm of {what} is {norm:.1e}, whose square float32 cannot hold "
                "well: scale the data, or use --dtype float64"
            )
