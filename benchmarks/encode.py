"""Encoding through windows, against the one matrix product that it comes to.

python benchmarks/encode.py [--workers 40] [--load 10] [--rows 40000] [--features 500] [--repeats 7]

Both in turn, in one process without MPI. The one product takes blocks that are there and yields all
that workers hold at once; ours reads rows by the window, checks them, and puts what each worker
gets into an array of its own.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from common import state

from coded_dgd import schemes
from coded_dgd.codes.placement import Encoder
from coded_dgd.problems.partition import WINDOW, Partition
from coded_dgd.problems.sources import open_source


def main() -> None:
    """Time both several times and state the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=40)
    parser.add_argument("--load", type=int, default=10)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--features", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    workers = arguments.workers
    scheme = schemes.create("lcc-mmc", workers, workers, arguments.load)
    source = open_source(f"synthetic:rows={arguments.rows},features={arguments.features}", 0)
    partition = Partition(source.rows, workers)
    placements = [scheme.placement(worker) for worker in range(workers)]
    generator = np.concatenate(placements)
    ((_, blocks, _),) = partition.windows(source, 1 << 62)
    flat = blocks.reshape(workers, -1)
    one, ours = [], []
    for _ in range(arguments.repeats):
        begin = time.perf_counter()
        coded = generator @ flat
        one.append(time.perf_counter() - begin)
        del coded
        begin = time.perf_counter()
        encoder = Encoder(placements)
        for _, X, _ in partition.windows(source, encoder.input(WINDOW, workers)):
            for _own, _labels in encoder.encode(X, None):
                pass
        ours.append(time.perf_counter() - begin)
    state("one product", one, " s")
    state("through windows", ours, " s")
    state("speed against one product", [a / b for a, b in zip(one, ours, strict=True)])


if __name__ == "__main__":
    main()
