"""Encoding and handing out blocks, against sending as many bytes that are there.

python benchmarks/distribution.py [--ranks 9] [--load 3] [--rows 125000] [--features 100]

First the one, then the other within one job of real ranks, from the first plan to the last byte
received; 100 MB of data by default, of which lcc-mmc makes r times as much. The plain side sends
each worker its bytes in messages of the same size with Isend, and workers put them where they
belong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np


def plain(comm, pieces, shape):
    """Send every worker `pieces` arrays of that shape; return the seconds until all are there."""
    if comm.rank:
        held = np.zeros((shape[0], pieces * shape[1], shape[2]))
        for number in range(pieces):
            piece = np.empty(shape)
            comm.Recv(piece, 0, 99)
            held[:, number * shape[1] : (number + 1) * shape[1]] = piece
        comm.Send(np.empty(0), 0, 98)
        return 0.0
    begin, piece = time.perf_counter(), np.ones(shape)
    sending = [
        comm.Isend(piece, worker, 99) for _ in range(pieces) for worker in range(1, comm.size)
    ]
    for request in sending:
        request.Wait()
    for worker in range(1, comm.size):
        comm.Recv(np.empty(0), worker, 98)
    return time.perf_counter() - begin


def job(arguments):
    """What each rank does: the plain side first, then ours, several times."""
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
    shape = arguments.load, at_once, arguments.features
    pieces = -(-partition.height // at_once)
    bare = [plain(comm, pieces, shape) for _ in range(arguments.repeats)]
    if comm.rank:
        serve(MPIWorker(comm))
        return
    master, members = MPIMaster(comm, hard=False), list(range(workers))
    source, ours = open_source(config.data, 0), []
    replaces = None
    for iteration in range(arguments.repeats):
        begin = time.perf_counter()
        code_id = master.new_code()
        group = WorkerGroup(
            master, scheme, code_id, members, members, Layout(source.features), replaces
        )
        distribute(source, group, config)
        group.broadcast(iteration, np.zeros(source.features))
        heard = set()
        while len(heard) < workers:  # each has all of its data by then
            heard |= {worker for worker, _ in group.receive_now(iteration).keys}
        ours.append(time.perf_counter() - begin)
        replaces = code_id
    master.stop_or_abort()
    from common import state

    state(f"Isend of {pieces} x {workers} pieces of {8 * np.prod(shape) / 1e6:.1f} MB", bare, " s")
    state("encoding and handing out, and one task", ours, " s")
    state("ours / plain", [a / b for a, b in zip(ours, bare, strict=True)])


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
    from common import command, mpiexec

    ranks = str(arguments.ranks)
    done = command(
        mpiexec(), "-n", ranks, sys.executable, __file__, *sys.argv[1:], cwd=Path.cwd(), timeout=900
    )
    print(done.out, end="")
    if done.code:
        raise SystemExit(done.err)


if __name__ == "__main__":
    main()
