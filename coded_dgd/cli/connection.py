"""A command connects to the workers that mpiexec has started."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coded_dgd.engine.transports.mpi.master import MPIMaster


def connect(transport: str) -> MPIMaster | None:
    """Return the connection to the workers; None for the simulated transport, which needs none.

    The function returns on rank 0 only; the other ranks become workers.
    """
    if transport != "mpi":
        return None
    from coded_dgd.engine.transports.mpi.library import world

    if world().rank > 0:  # the launcher sets no known variable
        from coded_dgd.engine.serve import serve_and_exit

        serve_and_exit()
    from coded_dgd.engine.transports.mpi.master import master

    return master()
