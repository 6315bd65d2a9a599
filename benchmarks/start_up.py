"""Start-up of 41 ranks, mpiexec's start to the first beta_t, against importing mpi4py and numpy.

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
    ours, imports = [], []
    for _ in range(arguments.repeats):
        begin = time.time()
        run = run_json(arguments.ranks, "--iterations", "1", *options)
        ours.append(run["first_point_at"] - begin)
        begin = time.time()
        command(
            mpiexec(), "-n", str(arguments.ranks), sys.executable, "-c", IMPORT_ONLY, cwd=Path.cwd()
        )
        imports.append(time.time() - begin)
    state("mpiexec's start to the first beta_t", ours, " s")
    state("mpiexec's start to its end, imports only", imports, " s")
    state("ratio", [a / b for a, b in zip(ours, imports, strict=True)])


if __name__ == "__main__":
    main()
