"""The schemes, one file each, found by name."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from coded_dgd import registry
from coded_dgd.errors import UsageError
from coded_dgd.schemes.base import Scheme

DEFAULT_LOAD = 10


def names() -> list[str]:
    """Return the names of all schemes."""
    return registry.names(sys.modules[__name__])


def create(
    name: str,
    workers: int,
    blocks: int | None = None,
    load: int | None = None,
    **options: float | None,
) -> Scheme:
    """Build the scheme called `name`.

    Parameters
    ----------
    name : str
        One of `names`, or ``lcc-mmc-K`` for K polynomials.
    workers : int
        M.
    blocks : int, optional
        N; the number of workers by default.
    load : int, optional
        Computation load r; by default 10, or N where that is less, or N/M where that is more.
    **options
        What single schemes take, such as ``tolerance``; None is as good as not given.

    Raises
    ------
    UsageError
        For an unknown name or an option that the scheme does not take.
    Infeasible
        If the code does not exist for these numbers.
    """
    blocks = workers if blocks is None else blocks
    if load is None and workers > 0:
        load = min(blocks, max(DEFAULT_LOAD, -(-blocks // workers)))
    given = {key: value for key, value in options.items() if value is not None}
    base = name
    if match := re.fullmatch(r"(lcc-mmc)-(\d+)", name):
        base, given["polynomials"] = match[1], int(match[2])
    scheme = registry.find(sys.modules[__name__], base, Scheme, "scheme")
    for option in given:
        if option not in scheme.options:
            raise UsageError(f"--{option} means nothing to {name}: leave it out")
    build: Callable[..., Scheme] = scheme
    return build(name, workers, blocks, load or 0, **given)
