"""Coded distributed gradient descent over MPI.

Rank 0 is the master: it distributes encoded or replicated data, sends the model, and decodes the
gradient as soon as enough of the workers' messages have arrived. Importing this package imports
next to nothing: 41 processes do it at once. ``coded_dgd.train`` is imported when it is first used.
Where a launcher has started several ranks, the end of one of them is noticed by the others from
then on (`engine.transports.ending`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coded_dgd._version import __version__ as __version__
from coded_dgd.engine.transports import ending

if TYPE_CHECKING:
    from coded_dgd.api import Training, train


__all__ = ["Training", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from coded_dgd import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


ending.install()
