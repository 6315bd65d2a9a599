"""Print the memory that data take on all workers of a host together, relative to one copy of them.

python held_memory.py dense|sparse MEGABYTES '{"scheme": ..., OPTION: ...}'

Proportional set sizes of workers are added up: a page that n processes share counts 1/n in each.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI
from scipy.sparse import csr_array

from coded_dgd import train
from coded_dgd.engine.worker import Worker
from coded_dgd.schemes.uc_mmc import UCMMC

FEATURES = 200  # columns of dense rows
NONZERO, STEP = 50, 5  # entries of a sparse row, and columns between them


class RandomCopies(UCMMC):
    """Copies of its own and of random other blocks on each worker, in random order."""

    def __init__(self, name, workers, blocks, load):
        super().__init__(name, workers, blocks, load)
        rng = np.random.default_rng(5)
        for own, copies in zip(self.block[:, : blocks // workers].copy(), self.block, strict=True):
            others = rng.permutation(np.setdiff1d(np.arange(blocks), own))
            copies[:] = rng.permutation(np.append(own, others[: load - len(own)]))


def memory():
    """Bytes that this process has written, without what has been freed, and its part of shared."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    counted = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")  # without the files of libraries
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(counted))


measured = []
begin = Worker._begin


def measuring(self, point):
    if point.iteration >= 3 and not measured:
        measured.append(memory())
    return begin(self, point)


def data(sparse, megabytes):
    """About so much data in float64, with labels of two classes."""
    rng = np.random.default_rng(0)
    if sparse:
        rows = int(megabytes * 1e6 / 12 / NONZERO)
        columns = rng.integers(STEP, size=(rows, 1)) + STEP * np.arange(NONZERO)
        entries = rng.standard_normal(columns.size), columns.ravel()
        starts = np.arange(0, columns.size + 1, NONZERO)
        X = csr_array((*entries, starts), shape=(rows, STEP * NONZERO))
    else:
        X = rng.standard_normal((int(megabytes * 1e6 / 8 / FEATURES), FEATURES))
    return X, np.where(rng.random(X.shape[0]) < 0.5, -1.0, 1.0)


def size(X, y, itemsize):
    """Bytes of one copy of the data, in numbers of `itemsize` bytes."""
    if isinstance(X, np.ndarray):
        return itemsize * (X.size + len(y))
    return itemsize * (X.nnz + len(y)) + 4 * (X.nnz + len(X.indptr))


def main():
    """Train on little and on much."""
    kind, megabytes, options = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
    itemsize = np.dtype(options.get("dtype", "float64")).itemsize
    comm, sizes, taken = MPI.COMM_WORLD, [], []
    Worker._begin = measuring
    for each in (megabytes / 20, megabytes):
        measured.clear()
        X, y = data(kind == "sparse", each) if comm.rank == 0 else (None, None)
        done = train(X, y, **options, iterations=5, step_size=1e-6, check_gradient=True)
        taken.append(comm.reduce(measured[0] if comm.rank else 0))
        if comm.rank == 0:
            sizes.append(size(X, y, itemsize))
    if comm.rank == 0:
        copies = (taken[1] - taken[0]) / (sizes[1] - sizes[0])
        error = max(each.gradient_error for each in done.history)
        print(json.dumps({"copies": copies, "error": error}))


if __name__ == "__main__":
    main()
