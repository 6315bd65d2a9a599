"""This module makes the synthetic data of the SGC paper (Bitar et al., Section V)."""

from __future__ import annotations

import numpy as np

from coded_dgd.errors import UsageError, naming
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.spec import refuse_rest, split, take

PURPOSE = tuple(b"synthetic data")  # a separate stream from any other draw with the seed


def open_text(text: str, seed: int) -> ArraySource:
    """Return the source of ``synthetic:rows=m,features=l``, held in memory.

    X (m x l) is standard normal, beta (l) has integer components uniform on 1..10, and
    y = X beta + standard normal noise.

    Raises
    ------
    UsageError
        If a parameter is unknown or not a positive integer, or the data exceed the memory.
    """
    with naming(f"--data {text}"):
        name, parameters = split(text)
        rows = take(parameters, "rows", int, 1000)
        features = take(parameters, "features", int, 100)
        refuse_rest(name, parameters, ("rows", "features"))
        if rows < 1 or features < 1:
            raise UsageError("rows and features have to be 1 or more")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=PURPOSE))
    try:
        X = rng.standard_normal((rows, features))
        y = X @ rng.integers(1, 11, features) + rng.standard_normal(rows)
    except (MemoryError, ValueError):  # ValueError: size above an array's maximum
        raise UsageError(f"{text} does not fit in memory: ask for fewer rows or features") from None
    return ArraySource(text, X, y, "in memory")
