"""Encoding and handing out blocks, against one matrix product and sending what it yields.

python benchmarks/distribution.py [--ranks 9] [--load 3] [--rows 125000] [--features 100]

Jobs of real ranks that do both, one after the other, from the first assignment to the last byte
received; 100 MB of data by default, of which lcc-mmc makes r times as much. The plain side
multiplies blocks that are there by the generator matrix, all at once, and sends each worker its
part of the product with Isend, in messages as large as ours; workers receive them where they
belong. Each is done twice in a job, and the second time counts. Ours ends when
every worker has said that it has its data, after a first task with zeros.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np


def plain(comm, generator, blocks, pieces, shape):
    """Multiply and send; return the seconds of the product, and until all has arrived.

    Parameters
    ----------
    generator : (M r, N) array
    blocks : (N, k l) array, or None on workers
    pieces : int
        Number of messages to each worker.
    shape : (r, k l)
        Shape of what a worker receives.
    """
    if comm.rank:
        held = np.empty(shape).ravel()
        for piece in np.array_split(held, pieces):
            comm.Recv(piece, 0, 99)
        comm.Send(np.empty(0), 0, 98)
        return 0.0, 0.0
    begin = time.perf_counter()
    coded = generator @ blocks
    multiplied = time.perf_counter() - begin
    parts = [np.array_split(part.ravel(), pieces) for part in np.split(coded, comm.size - 1)]
    sending = [comm.Isend(part[number], worker, 99)
               for number in range(pieces) for worker, part in enumerate(parts, 1)]  # fmt: skip
    for request in sending:
        request.Wait()
    for worker in range(1, comm.size):
        comm.Recv(np.empty(0), worker, 98)
    return multiplied, time.perf_counter() - begin


def job(arguments):
    """What each rank does: the plain side twice, then ours twice; rank 0 prints the seconds."""
    from coded_dgd import schemes
    from coded_dgd.codes.placement import Encoder
    from coded_dgd.config import RunConfig
    from coded_dgd.engine.distribute import distribute
    from coded_dgd.engine.group import WorkerGroup
    from coded_dgd.engine.serve import serve
    from coded_dgd.engine.transports.mpi.library import world
    from coded_dgd.engine.transports.mpi.master import MPIMaster
    from coded_dgd.engine.transports.mpi.worker import MPIWorker
    from coded_dgd.problems.layout import Layout
    from coded_dgd.problems.partition import WINDOW, Partition
    from coded_dgd.problems.sources import open_source

    comm = world()
    workers = comm.size - 1
    scheme = schemes.create("lcc-mmc", workers, workers, arguments.load)
    config = RunConfig(data=f"synthetic:rows={arguments.rows},features={arguments.features}")
    partition = Partition(arguments.rows, workers)
    window = Encoder([scheme.placement(w) for w in range(workers)]).input(WINDOW, workers)
    at_once = max(1, min(partition.height, window // (8 * workers * (arguments.features + 1))))
    pieces = -(-partition.height // at_once)
    shape = arguments.load, partition.height * arguments.features
    generator = np.concatenate([scheme.placement(w) for w in range(workers)])
    source = open_source(config.data, 0) if comm.rank == 0 else None
    blocks = None
    if source:
        ((_, blocks, _),) = partition.windows(source, 1 << 62)
        blocks = blocks.reshape(workers, -1)
    bare = [plain(comm, generator, blocks, pieces, shape) for _ in range(2)]
    del blocks
    if comm.rank:
        serve(MPIWorker(comm))
        return
    master, members = MPIMaster(comm, hard=False), list(range(workers))
    replaces, ours = None, []
    for _ in range(2):
        begin = time.perf_counter()
        code_id = master.new_code()
        group = WorkerGroup(
            master, scheme, code_id, members, members, Layout(source.features), replaces
        )
        group.loads = True  # so that workers say when they have their data
        distribute(source, group, config)
        ours.append(time.perf_counter() - begin)
        replaces = code_id
    master.stop_or_abort()
    print(json.dumps([*bare[-1], ours[-1]]))


def main() -> None:
    """Start the job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=9)
    parser.add_argument("--load", type=int, default=3)
    parser.add_argument("--rows", type=int, default=125_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    from coded_dgd.host.launcher import launch

    if launch():
        job(arguments)
        return
    from common import command, mpiexec, state

    program = [mpiexec(), "-n", str(arguments.ranks), sys.executable, __file__, *sys.argv[1:]]
    found = []
    for _ in range(arguments.repeats):
        done = command(*program, cwd=Path.cwd(), timeout=900)
        if done.code:
            raise SystemExit(done.err)
        found.append(json.loads(done.out))
    products, bare, ours = zip(*found, strict=True)
    state("one product", products, " s")
    state("one product, and Isend of what it yields", bare, " s")
    state("encoding and handing out", ours, " s")
    state("ours / plain", [a / b for a, b in zip(ours, bare, strict=True)])


if __name__ == "__main__":
    main()
