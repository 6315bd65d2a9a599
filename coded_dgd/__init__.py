"""Coded distributed gradient descent over MPI.

Rank 0 is the master: it distributes encoded or replicated data, sends the model, and decodes the
gradient as soon as enough of the workers' messages have arrived. Importing this package imports
very little, since 41 processes do it at once. What it offers is imported at its first use.
If a launcher has started several ranks, each rank notices from then on when another one ends
(`engine.transports.ending`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coded_dgd._version import __version__ as __version__
from coded_dgd.engine.transports import ending

if TYPE_CHECKING:
    from coded_dgd.api import Training, train
    from coded_dgd.estimators.loading import load
    from coded_dgd.pool import workers


__all__ = ["Training", "load", "train", "workers"]


def __getattr__(name: str) -> Any:
    if name == "workers":
        from coded_dgd import pool

        return pool.workers
    if name == "load":
        from coded_dgd.estimators import loading

        return loading.load
    if name in __all__:
        from coded_dgd import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


ending.install()
