"""Encode and distribute the data, in one pass over the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from coded_dgd.codes.placement import Encoder
from coded_dgd.config import RunConfig
from coded_dgd.engine.assignments import STOPPED, Assignments
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Floats
from coded_dgd.errors import DataError, Interrupted
from coded_dgd.problems import sparse
from coded_dgd.problems.norms import SMALLEST_SQUARE, USUAL, norm, norms_of, refusal
from coded_dgd.problems.partition import WINDOW, Partition, ReusedMemory, Window
from coded_dgd.problems.problem import Quadratic
from coded_dgd.problems.sharing import (
    WORTHWHILE,
    HostGroup,
    block_bytes,
    host_groups,
    most_saved,
)
from coded_dgd.problems.sources import Source
from coded_dgd.problems.sources.gram import GramSource
from coded_dgd.problems.sparse import CompressedRows, Entries, SparseRows, SparseWindow
from coded_dgd.schemes import remedies

GREETING_SECONDS = 2.0
"""Seconds to wait for workers to name their host; later ones share no blocks."""
FLOAT32_NORM = 1e15
"""Norm up to which squares and their sums stay well below 3e38, the largest float32."""


@dataclass
class Distributed:
    """What the master keeps of the distributed data."""

    Xy: Floats
    """X^T y, of shape (l,)."""
    yy: float
    """Squared norm of the labels, ||y||^2."""
    block_norms: Floats
    """Squared Frobenius norms of the N blocks, of shape (N,)."""

    @property
    def least_squares(self) -> Quadratic:
        """The least-squares objective, expanded at beta = 0."""
        return Quadratic(-self.Xy, self.yy / 2)


@np.errstate(over="ignore")  # overflow of float32 is refused below
def distribute(
    source: Source,
    group: WorkerGroup,
    config: RunConfig,
    *,
    only: Iterable[int] | None = None,
    window: int = WINDOW,
) -> Distributed:
    """Send every worker its assignment and its blocks, or let it make the blocks itself.

    Workers of a coded scheme get X~ = G X, the rows of the generator matrix times the blocks,
    without labels. Other workers get copies of blocks with their labels. Rank 0 holds one window
    of the input and the pieces that are being sent. With ``--encode local`` no blocks are sent: the
    assignment says how to make them, and training begins once every worker has done so or is lost.
    It also waits for workers that form Gram matrices or load libraries.

    Parameters
    ----------
    only : iterable of int, optional
        Workers to serve; by default all. These get copies of their own.
    window : int
        Bytes to hold at once, for the input and its encoded pieces.
    """
    scheme, transport = group.scheme, group.transport
    gram = GramSource(source, remedies.NO_GRAM_MATRIX) if scheme.of_gram_matrix else None
    data = gram or source
    partition = Partition(data.rows, scheme.blocks)
    served = list(range(scheme.workers) if only is None else only)
    placements = {worker: scheme.placement(worker) for worker in served if scheme.tasks(worker)}
    sharers = group.host_groups if only is None else []
    entries = counts = None
    if group.kernel == "sparse":
        assert isinstance(data, CompressedRows)
        entries = data.entries()
        counts = sparse.entries_of_blocks(partition, entries[0])
    assignments = Assignments(group, config, source, partition, data.features, counts)
    getting = dict(placements)
    for host_group in sharers:
        getting[host_group.leader] = host_group.blocks
        for follower in host_group.followers:
            del getting[follower]
    for worker in served:
        if worker in getting or worker not in placements:
            assignments.send(
                worker,
                getting.get(worker),
                next((host_group for host_group in sharers if host_group.leader == worker), None),
            )
    kept = Distributed(np.zeros(data.features), 0.0, np.zeros(scheme.blocks))
    local = config.encode == "local"
    encoder = Encoder([] if local else list(getting.values()), config.dtype)
    for start, X, y in _windows(partition, data, encoder.input(window, scheme.blocks), entries):
        if transport.interrupted:
            raise Interrupted(STOPPED)
        kept.yy += float(np.vdot(y, y))
        if isinstance(X, SparseRows):
            kept.Xy += X.transposed_product(y)
            kept.block_norms += X.squared_norms()
        else:
            kept.Xy += y.ravel() @ X.reshape(-1, data.features)
            kept.block_norms += np.einsum("nkl,nkl->n", X, X)
        labels = None if scheme.coded else partition.with_weights(start, y, source.weights)
        pieces = encoder.encode(X, labels)
        for worker, (coded, own) in zip(getting, pieces, strict=False):
            transport.piece(group.members[worker], start, coded, own)
    if gram:
        kept.Xy, kept.yy = gram.Xy, gram.yy
    _refuse_out_of_range(source, data, kept, config.dtype)
    left = [worker for host_group in sharers for worker in assignments.attach(host_group)]
    # neither reading, forming Gram matrices nor loading libraries is part of the first iteration
    if (local or group.kernel == "gram" or group.loads) and only is None:
        assignments.settle(getting)
    if left:
        distribute(source, group, config, only=left)
    return kept


def _windows(
    partition: Partition, data: Source, size: int, entries: Entries | None
) -> Iterator[Window] | Iterator[SparseWindow]:
    if entries is not None:
        return sparse.windows(partition, entries, data.features, size)
    # what is sent are copies
    return partition.windows(data, size, memory=ReusedMemory(partition.blocks, data.features))


def _refuse_out_of_range(source: Source, data: Source, kept: Distributed, dtype: str) -> None:
    """Refuse data whose squares, or whose products with the labels, are out of range of the type.

    Parameters
    ----------
    data : Source
        The distributed data: the source, or its Q = X^T X.

    Raises
    ------
    DataError
        The data are out of range. The message names the remedy.
    """
    matrix, labels = sqrt(kept.block_norms.sum()), sqrt(kept.yy)
    rows = matrix
    if min(matrix, labels) < USUAL[0]:  # squares may have underflowed
        rows, labels = norms_of(source)
        matrix = rows if data is source else norms_of(data)[0]
    if dtype == "float32":
        weights = 0.0 if source.weights is None else norm(source.weights)
        sizes = {data.matrix: matrix, "the labels": labels, "the sample weights": weights}
        for what, size in sizes.items():
            if size and not 1 / FLOAT32_NORM < size < FLOAT32_NORM:
                raise refusal(data, what, size, dtype)
    elif 0 < matrix < sqrt(SMALLEST_SQUARE) or (rows and not matrix):
        raise refusal(data, data.matrix, matrix)
    elif rows and labels and rows * labels < SMALLEST_SQUARE:
        raise DataError(
            f"{data.name}: the norm of X is {rows:.1e} and that of the labels {labels:.1e}, whose "
            "product float64 cannot hold well: scale the data"
        )


def sharing(group: WorkerGroup, config: RunConfig, source: Source) -> list[HostGroup]:
    """Return the groups of workers on one host for which sharing their blocks saves enough memory.

    Only copies of blocks are shared; coded blocks are all different.
    """
    scheme, members, transport = group.scheme, group.members, group.transport
    possible = config.share_blocks and transport.shares_memory
    if scheme.coded or not possible:
        return []
    size = block_bytes(
        group.kernel,
        Partition(source.rows, scheme.blocks).height,
        source.features,
        1 if source.weights is None else 2,
        np.dtype(config.dtype).itemsize,
        source.density,
    )
    held = {w: scheme.placement(w) for w in range(scheme.workers) if scheme.tasks(w)}
    if most_saved(held) * size < WORTHWHILE:
        return []
    lost = transport.lost
    transport.wait_for(
        lambda: all(transport.host_of(members[w]) or members[w] in lost for w in held),
        GREETING_SECONDS,
    )
    hosts = {w: transport.host_of(members[w]) for w in held if members[w] not in lost}
    return host_groups(hosts, held, size)
