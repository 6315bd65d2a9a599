"""This module trains many stochastic schemes at once, by a few matrix products per iteration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from coded_dgd.problems.partition import Partition
from coded_dgd.problems.step_sizes import Schedule
from coded_dgd.schemes.base import Bools, Floats, ReplicationScheme


def iterates(
    X: Floats,
    y: Floats,
    schedule: Schedule,
    schemes: Sequence[ReplicationScheme],
    finished: Iterable[Bools],
) -> Iterator[Floats]:
    """Run gradient descent on least squares for C schemes side by side, from beta_0 = 0.

    The estimate of eq. (2) and of its variants in Table I is X^T (w * (X beta - y)), with a weight
    w
    for each row that depends on the workers that have finished. The schemes' own placement and
    weights are used: `ReplicationScheme.block_weights`.

    Parameters
    ----------
    X : (m, l) array
    y : (m,) array
    schedule : callable
        Step size of iteration t = 1, 2, ...
    schemes : C schemes
        Schemes fitted to these data, each with its p given; a scheme may occur more than once.
    finished : iterable of (C, iterations, M) bools
        Workers that finish in time, in consecutive chunks of iterations. A chunk takes 8 C m bytes
        per iteration.

    Yields
    ------
    (C, l) array
        beta_1, beta_2, ... of every scheme; each is a new array.

    References
    ----------
    Bitar et al., Section III and Table I.
    """
    beta = np.zeros((len(schemes), X.shape[1]))
    iteration = 0
    for some in finished:
        weights = np.empty((some.shape[1], len(schemes), len(X)))
        for column, (scheme, pattern) in enumerate(zip(schemes, some, strict=True)):
            weights[:, column] = _row_weights(scheme, pattern, len(X))
        for each in weights:
            iteration += 1
            residual = beta @ X.T
            residual -= y
            residual *= each
            beta = beta - schedule(iteration) * (residual @ X)
            yield beta


def _row_weights(scheme: ReplicationScheme, finished: Bools, rows: int) -> Floats:
    """Return the weights of the rows of the data, shape (realisations, m)."""
    weights = scheme.block_weights(finished)
    if scheme.blocks == rows:
        return weights
    partition = Partition(rows, scheme.blocks)
    bounds = np.array([partition.bounds(block) for block in range(scheme.blocks)])
    return np.repeat(weights, bounds[:, 1] - bounds[:, 0], axis=1)
