"""Threads of the BLAS library: a rank's part of its host's cores, set before numpy loads."""

from __future__ import annotations

import os
from typing import NamedTuple

from coded_dgd.host.launcher import ranks_on_host
from coded_dgd.host.process import cores

FOR_ALL = "OMP_NUM_THREADS"
"""Variable that every BLAS uses if its own variable is not set."""
VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", FOR_ALL)

BY_SHARE = "cores / ranks of the host"
"""Origin of the number of threads if the user has not set it."""

_set_here: set[str] = set()


class Threads(NamedTuple):
    """The threads of this process in a product of matrices."""

    number: int
    variable: str | None
    """Variable with which the user has set the number; None if the user has not."""


def share(mine: int, host: int, ranks: int) -> int:
    """Return the number of threads for one of `ranks` ranks on a host.

    Parameters
    ----------
    mine, host : int
        Cores that the rank may use, and cores that its launcher may use. The rank has fewer if the
        launcher has bound it, perhaps together with others.
    """
    return max(1, min(mine, host // ranks))


def set_threads(number: int | None = None) -> None:
    """Set the number of threads of numpy's BLAS, unless the user has set it.

    Parameters
    ----------
    number : int, optional
        By default the `share` of a rank.
    """
    if os.environ.get(FOR_ALL):
        return
    if number is None:
        number = _own_share()
    for name in VARIABLES:
        if not os.environ.get(name):
            os.environ[name] = str(number)
            _set_here.add(name)


def _own_share() -> int:
    """Return the `share` of this rank.

    It is 1 without a launcher, since in virtual time one process stands for many.
    """
    ranks = ranks_on_host()
    return share(cores(), cores(os.getppid()), ranks) if ranks else 1


def for_other_libraries() -> int:
    """Return the number of threads for libraries whose number is set after they are loaded.

    It is that of numpy's BLAS if the user or `set_threads` has set it, else the `share` of this
    rank, as in a script of the user that has loaded numpy before.
    """
    found = threads()
    return found.number if found.variable or _set_here else _own_share()


def threads() -> Threads:
    """Return the number of threads, and its origin."""
    for name in VARIABLES:
        value = os.environ.get(name, "").partition(",")[0]  # OMP: for each level of nesting
        if value.isdecimal() and name not in _set_here:
            return Threads(int(value), name)
    if _set_here:
        return Threads(int(os.environ[FOR_ALL]), None)
    return Threads(cores(), None)
