"""Start-up of 41 ranks and a job of one iteration, against importing mpi4py and numpy.

Start-up is from mpiexec's start to the first beta_t, and the job to mpiexec's end.

Both in turn under the same MPI: python benchmarks/start_up.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from common import command, mpiexec, run_json, state

IMPORT_ONLY = "from mpi4py import MPI; import numpy; MPI.COMM_WORLD.rank"


def main() -> None:
    """Time both several times and state the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=41)
    arguments, options = parser.parse_known_args()
    first, ours, imports = [], [], []
    for _ in range(arguments.repeats):
        begin = time.time()
        run = run_json(arguments.ranks, "--iterations", "1", *options)
        ours.append(time.time() - begin)
        first.append(run["first_point_at"] - begin)
        begin = time.time()
        command(
            mpiexec(), "-n", str(arguments.ranks), sys.executable, "-c", IMPORT_ONLY, cwd=Path.cwd()
        )
        imports.append(time.time() - begin)
    for name, seconds in (("start-up", first), ("a job of one iteration", ours)):
        state(name, seconds, " s")
        state(f"{name} / imports only", [a / b for a, b in zip(seconds, imports, strict=True)])
    state("imports only", imports, " s")


if __name__ == "__main__":
    main()
