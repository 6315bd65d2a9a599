"""``python -m coded_dgd.engine.spawned THREADS``: a worker that is spawned during a run."""

from __future__ import annotations

import sys

from coded_dgd import streams
from coded_dgd.host.threads import set_threads


def main() -> None:
    """Work for the process that has spawned this one, with its number of BLAS threads."""
    streams.prepare()
    set_threads(int(sys.argv[1]))
    from coded_dgd.engine.serve import serve_and_exit
    from coded_dgd.engine.transports.mpi.library import MPI
    from coded_dgd.engine.transports.mpi.worker import MPIWorker

    serve_and_exit(MPIWorker(MPI.Comm.Get_parent()))


if __name__ == "__main__":
    main()
