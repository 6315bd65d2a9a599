"""Handing out blocks, against one matrix product and sending, or against np.fromfile.

python benchmarks/distribution.py [--scheme lcc-mmc] [--load 3] [--encode master] [--ranks 9]
                                  [--rows 125000] [--features 100] [--repeats 7] [--cold]

Real ranks do both in turn, in one job; the first time does not count. Ours is from the first
assignment until every worker has said that its shard is ready, after a first task with zeros. It
reads and checks all rows, and sums up what rank 0 keeps of them.

With `--encode master` the plain side multiplies blocks that are there by the generator matrix, all
at once, and sends each worker its part with Isend, memory of its own, in messages as large as ours.
Copies of blocks are there before, so for them it only sends. It does not read: the time of one copy
of the rows is stated besides. With `--encode local` data are a .npy file in the page cache, and on
the plain side each rank reads by np.fromfile the rows that it reads in ours: a worker its blocks,
rank 0, and a worker with coded blocks, all of them. With `--cold` the file is removed from the page
cache before each side, so that both read it from the disk.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import sys
import tempfile
import time
from math import inf
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

DONE, DATA = 98, 99


def wait(comm, source, tag):
    """Wait for a message as our ranks do, so that those that wait do not take the cores."""
    while not comm.Iprobe(source, tag):
        time.sleep(1e-4)


def evict(comm, path):
    """Remove a file from the page cache; end the job if pages of it are still there."""
    with Path(path).open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    pages = np.memmap(path, np.uint8, "r")
    resident = np.empty(-(-pages.size // mmap.PAGESIZE), np.uint8)
    first, states = (ctypes.c_void_p(each.ctypes.data) for each in (pages, resident))
    failed = ctypes.CDLL(None).mincore(first, ctypes.c_size_t(pages.size), states)
    if failed or (resident & 1).any():
        print(f"--cold: {path} is still in memory: let TMPDIR be on a disk", file=sys.stderr)
        comm.Abort(1)


class Sending:
    """One matrix product, unless blocks are copied, and Isend to each worker.

    Parameters
    ----------
    scheme : Scheme
    partition : Partition
    source : Source, optional
        The data, on rank 0.
    """

    def __init__(self, comm, scheme, partition, source, features):
        from coded_dgd.codes.placement import Encoder
        from coded_dgd.problems.partition import WINDOW

        placements = [scheme.placement(worker) for worker in range(comm.size - 1)]
        window = Encoder(placements).input(WINDOW, scheme.blocks)
        at_once = max(1, min(partition.height, window // (8 * scheme.blocks * (features + 1))))
        self.comm, self.pieces = comm, -(-partition.height // at_once)
        self.shape = len(placements[0]), partition.height * features
        if source is None:
            return
        ((_, blocks, _),) = partition.windows(source, 1 << 62)
        self.blocks = blocks.reshape(scheme.blocks, -1)
        self.generator = np.concatenate(placements) if scheme.coded else None
        self.copies = None if scheme.coded else [self.blocks[each] for each in placements]

    def work(self):
        """Do it once; return the seconds of one copy of all rows, of the product, and of both."""
        comm = self.comm
        if comm.rank:
            held = np.empty(self.shape).ravel()
            for piece in np.array_split(held, self.pieces):
                wait(comm, 0, DATA)
                comm.Recv(piece, 0, DATA)
            comm.Send(np.empty(0), 0, DONE)
            return None
        begin = time.perf_counter()
        self.blocks.copy()
        copied = time.perf_counter() - begin
        begin = time.perf_counter()
        parts = self.copies or np.split(self.generator @ self.blocks, comm.size - 1)
        multiplied = time.perf_counter() - begin
        parts = [np.array_split(part.ravel(), self.pieces) for part in parts]
        sending = [
            comm.Isend(part[number], worker, DATA)
            for number in range(self.pieces)
            for worker, part in enumerate(parts, 1)
        ]
        while not all(request.Test() for request in sending):
            time.sleep(1e-4)
        for worker in range(1, comm.size):
            wait(comm, worker, DONE)
            comm.Recv(np.empty(0), worker, DONE)
        return copied, multiplied, time.perf_counter() - begin


class Reading:
    """np.fromfile on each rank, of the rows that it reads in ours."""

    def __init__(self, comm, scheme, partition, data, features):
        self.comm, self.data, self.row = comm, data, features + 1
        self.parts = [(0, partition.rows)]
        if comm.rank and not scheme.coded:
            self.parts = [partition.bounds(each) for each in scheme.placement(comm.rank - 1)]

    def read(self):
        """Read the rows of this rank."""
        return [
            np.fromfile(self.data, count=(last - first) * self.row, offset=8 * first * self.row)
            for first, last in self.parts
        ]

    def work(self):
        """Do it once; return the seconds until the last rank has done so."""
        comm = self.comm
        if comm.rank:
            wait(comm, 0, DATA)
            comm.Recv(np.empty(0), 0, DATA)
            self.read()
            comm.Send(np.empty(0), 0, DONE)
            return None
        begin = time.perf_counter()
        for worker in range(1, comm.size):
            comm.Isend(np.empty(0), worker, DATA)
        self.read()
        for worker in range(1, comm.size):
            wait(comm, worker, DONE)
            comm.Recv(np.empty(0), worker, DONE)
        return 0.0, 0.0, time.perf_counter() - begin


def job(arguments):
    """Do both on each rank; rank 0 prints the seconds."""
    from coded_dgd import schemes
    from coded_dgd.config import RunConfig
    from coded_dgd.engine.distribute import distribute
    from coded_dgd.engine.group import WorkerGroup
    from coded_dgd.engine.protocol import Control
    from coded_dgd.engine.serve import serve
    from coded_dgd.engine.transports.mpi.library import world
    from coded_dgd.engine.transports.mpi.master import MPIMaster
    from coded_dgd.engine.transports.mpi.worker import MPIWorker
    from coded_dgd.engine.worker import Worker
    from coded_dgd.problems.layout import Layout
    from coded_dgd.problems.partition import Partition
    from coded_dgd.problems.sources import open_source

    comm = world()
    workers, features = comm.size - 1, arguments.features
    scheme = schemes.create(arguments.scheme, workers, workers, arguments.load)
    config = RunConfig(data=arguments.data, encode=arguments.encode)
    partition = Partition(arguments.rows, workers)
    source = None if comm.rank else open_source(config.data, 0)
    if arguments.encode == "local":
        plain = Reading(comm.Dup(), scheme, partition, arguments.data, features)
    else:
        plain = Sending(comm.Dup(), scheme, partition, source, features)
    rounds = range(arguments.repeats + 1)
    if comm.rank:
        connection = MPIWorker(comm)
        for _ in rounds:
            plain.work()
            while connection.wait(inf) is not Control.ASSIGNMENT:
                pass
            connection.take_shard(Worker(time.monotonic), None)
        serve(connection)
        return
    master, members = MPIMaster(comm, hard=False), list(range(workers))
    found = []
    for _ in rounds:
        if arguments.cold:
            source = None  # pages that are mapped stay in memory
            evict(comm, arguments.data)
        bare = plain.work()
        if arguments.cold:
            evict(comm, arguments.data)
            source = open_source(config.data, 0)
        begin = time.perf_counter()
        group = WorkerGroup(
            master, scheme, master.new_code(), members, members, Layout(source.features)
        )
        group.loads = True  # so that workers say when they have their data
        distribute(source, group, config)
        found.append([*bare, time.perf_counter() - begin])
    master.stop_or_abort()
    print(json.dumps(found[1:]))


def main() -> None:
    """Start the job and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scheme", default="lcc-mmc")
    parser.add_argument("--encode", choices=["master", "local"], default="master")
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--ranks", type=int, default=9)
    parser.add_argument("--load", type=int, default=3)
    parser.add_argument("--rows", type=int, default=125_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cold", action="store_true", help="read from the disk, not from memory")
    arguments = parser.parse_args()
    if arguments.cold and arguments.encode == "master":
        parser.error("--cold is for --encode local")
    from coded_dgd.host.launcher import launch

    if launch():
        job(arguments)
        return
    from common import command, mpiexec, state

    data = f"synthetic:rows={arguments.rows},features={arguments.features}"
    program = [mpiexec(), "-n", str(arguments.ranks), sys.executable, __file__, *sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.encode == "local":
            data = f"{folder}/data.npy"
            shape = arguments.rows, arguments.features + 1
            np.save(data, np.random.default_rng(0).standard_normal(shape))
        done = command(*program, "--data", data, cwd=Path.cwd(), timeout=900)
    if done.code:
        raise SystemExit(done.err)
    copies, products, bare, ours = zip(*json.loads(done.out), strict=True)
    if arguments.encode == "local":
        state("np.fromfile", bare, " s")
        state("until all shards are ready", ours, " s")
        state("ours / np.fromfile", [a / b for a, b in zip(ours, bare, strict=True)])
        return
    state("one copy of the rows", copies, " s")
    state("one product", products, " s")
    state("product and Isend", bare, " s")
    state("handing out", ours, " s")
    state("ours / product and Isend", [a / b for a, b in zip(ours, bare, strict=True)])


if __name__ == "__main__":
    main()
