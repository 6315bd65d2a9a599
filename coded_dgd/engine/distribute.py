"""Encode the data and hand them out, in one pass over the source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coded_dgd.config import RunConfig
from coded_dgd.engine.crew import Crew
from coded_dgd.engine.protocol import Floats, Plan
from coded_dgd.errors import Interrupted
from coded_dgd.problems.encoding import Encoder, Recipe, fingerprint
from coded_dgd.problems.partition import WINDOW, Partition
from coded_dgd.problems.sources import Source
from coded_dgd.problems.sources.gram import GramSource

STOPPED = "stopped while the data were handed out: start it again"


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
    crew: Crew,
    config: RunConfig,
    *,
    only: Iterable[int] | None = None,
    window: int = WINDOW,
) -> Distributed:
    """Tell every worker its plan and give it its blocks, or have it make them itself.

    Workers of a coded scheme get X~ = G X, the rows of the generator matrix times the blocks, and
    no labels; the others get copies of blocks with their labels. Rank 0 holds one window of the
    input, and what is on its way to the workers. With ``--encode local`` nothing is: the plan says
    how to make the blocks, and training begins once every worker has done so or is lost.

    Parameters
    ----------
    only : iterable of int, optional
        Workers to serve; by default all.
    window : int
        Bytes to hold at once, of input and of what becomes of it.
    """
    scheme, transport = crew.scheme, crew.transport
    gram = GramSource(source) if scheme.gram else None
    data = gram or source
    partition = Partition(data.rows, scheme.blocks)
    served = list(range(scheme.workers) if only is None else only)
    local = config.encode == "local"
    name = (
        config.data if config.data.startswith("synthetic:") else str(Path(config.data).absolute())
    )
    mark = fingerprint(source, name) if local else ""
    placements = [scheme.placement(worker) if scheme.tasks(worker) else None for worker in served]
    for worker, placement in zip(served, placements, strict=True):
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
            timeline=transport.marks is not None,
        )
        if local and placement is not None:
            recipe = Recipe.of(name, config.seed, mark, scheme.blocks, placement, scheme.gram)
            plan = replace(plan, recipe=recipe)
        if logs := transport.logs:
            file = logs.file(crew.members[worker] + 1)
            plan = replace(plan, log=file, log_level=logs.level)
        transport.plan(crew.members[worker], plan)
    kept = Distributed(partition, np.zeros(data.features), 0.0, np.zeros(scheme.blocks))
    encoder = Encoder([] if local else placements)
    for start, X, y in partition.windows(data, encoder.input(window, scheme.blocks)):
        if transport.interrupted:
            raise Interrupted(STOPPED)
        kept.Xy += y.ravel() @ X.reshape(-1, data.features)
        kept.yy += float(np.vdot(y, y))
        kept.block_norms += np.einsum("nkl,nkl->n", X, X)
        for place, coded, labels in encoder.encode(X, None if scheme.coded else y):
            transport.piece(crew.members[served[place]], start, coded, labels)
    if gram:
        kept.Xy, kept.yy = gram.Xy, gram.yy
    if local and only is None:
        peers = [crew.members[worker] for worker in served if scheme.tasks(worker)]
        transport.wait_for(
            lambda: all((p, crew.lane) in transport.holding or p in transport.lost for p in peers)
        )
        if transport.interrupted:
            raise Interrupted(STOPPED)
    return kept
