"""Threads of the BLAS library: a rank's share of its host's cores, decided before numpy loads."""

from __future__ import annotations

import os
from typing import NamedTuple

from coded_dgd.host.launcher import ranks_on_host
from coded_dgd.host.process import cores

FOR_ALL = "OMP_NUM_THREADS"
"""What every BLAS heeds where its own variable is not set."""
VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", FOR_ALL)

BY_SHARE = "cores / ranks of the host"
"""Why there are as many as there are, where no user has said so."""

_set_here: set[str] = set()


class Threads(NamedTuple):
    """Of this process, in a product of matrices."""

    number: int
    variable: str | None
    """By which the user has set it; None where it is the share of a rank."""


def share(mine: int, host: int, ranks: int) -> int:
    """Threads for one of so many ranks on a host.

    Parameters
    ----------
    mine, host : int
        Cores that the rank may use, and those that its launcher may: fewer are the rank's where the
        launcher has bound it, perhaps together with others.
    """
    return max(1, min(mine, host // ranks))


def set_threads(number: int | None = None) -> None:
    """Have numpy's BLAS use so many threads, unless the user has said otherwise.

    Parameters
    ----------
    number : int, optional
        By default the `share` of a rank, and 1 where no launcher started this process: virtual time
        is one process in the place of many.
    """
    if os.environ.get(FOR_ALL):
        return
    if number is None:
        ranks = ranks_on_host()
        number = share(cores(), cores(os.getppid()), ranks) if ranks else 1
    for name in VARIABLES:
        if not os.environ.get(name):
            os.environ[name] = str(number)
            _set_here.add(name)


def threads() -> Threads:
    """Return how many there are, and who said so."""
    for name in VARIABLES:
        value = os.environ.get(name, "").partition(",")[0]  # OMP: for each level of nesting
        if value.isdecimal() and name not in _set_here:
            return Threads(int(value), name)
    if _set_here:
        return Threads(int(os.environ[FOR_ALL]), None)
    return Threads(cores(), None)
