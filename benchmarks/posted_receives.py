"""A thousand posted receives on rank 0, messages coming over all of them, against a bare loop.

python benchmarks/posted_receives.py [--repeats 5] [--workers 1000] [--iterations 50]

The workers are many to a process: each has tags of its own, so that few processes answer for all.
Rank 0 runs the program as it is, and the bare loop has a receive and a send for each worker, too.
Only the processor time of rank 0 is compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

RANKS, FEATURES, TAGS, HEADER = 9, 100, 16, 5
POINT, RESULT = 1, 2


class ManyToARank:
    """A communicator whose rank 0 is that of another one, and whose other ranks are many to a rank.

    Parameters
    ----------
    comm : MPI.Intracomm
    size : int
        Number of ranks that it seems to have.
    rank : int
        The rank that this process is here.
    """

    def __init__(self, comm, size, rank=0):
        self._comm, self.size, self.rank, self.group = comm, size, rank, self

    def _of(self, other, tag):
        number = max(self.rank, other) - 1
        place, process = divmod(number, self._comm.size - 1)
        return (1 + process if other else 0), TAGS * place + tag

    def Translate_ranks(self, ranks, group):  # noqa: N802 (the name of mpi4py)
        return [rank and 1 + (rank - 1) % (self._comm.size - 1) for rank in ranks]


def passed_on(name):
    """Return a method that calls that of the other communicator with its rank and tag."""

    def method(self, *arguments):
        place = 0 if name == "Iprobe" else 1  # of the rank, before the tag
        before, (rank, tag, *after) = arguments[:place], arguments[place:]
        return getattr(self._comm, name)(*before, *self._of(rank, tag), *after)

    return method


for each in ("Isend", "Issend", "Send_init", "Ssend_init", "Irecv", "Recv", "Recv_init", "Iprobe"):
    setattr(ManyToARank, each, passed_on(each))


def own(comm, workers):
    """Return the communicators of the workers of this process."""
    ranks = range(comm.rank, workers + 1, comm.size - 1)
    return [ManyToARank(comm, workers + 1, rank) for rank in ranks]


def coded_master(comm, workers, iterations):
    """Train with `uncoded`; return processor time per iteration in seconds."""
    from coded_dgd.config import RunConfig
    from coded_dgd.engine import job, setup
    from coded_dgd.engine.observer import Observer
    from coded_dgd.engine.transports.mpi.master import MPIMaster

    class Clock(Observer):
        def iteration(self, record):
            if record.iteration == 0:
                self.begin = time.process_time()
            if record.iteration == iterations:
                self.seconds = time.process_time() - self.begin

    transport, clock = MPIMaster(ManyToARank(comm, workers + 1), hard=False), Clock()
    transport.assemble()
    config = RunConfig(
        scheme="uncoded", iterations=iterations + 1, delay="none", silence=0.0,
        data=f"synthetic:rows={2 * workers},features={FEATURES}",
    )  # fmt: skip
    job.run(setup.prepare(config, workers), transport, clock)
    transport.end(0)
    return clock.seconds / iterations


def coded_workers(comm, workers):
    """Serve as the workers of this process until all are released."""
    from coded_dgd.engine.protocol import Control, Report
    from coded_dgd.engine.transports.mpi.worker import MPIWorker
    from coded_dgd.engine.worker import Worker

    serving = []
    for each in own(comm, workers):
        connection = MPIWorker(each)
        worker = Worker(time.monotonic, connection.outbox.zeros)
        loop = worker.run(connection.outbox.send)
        next(loop)
        serving.append((connection, worker, loop))
    while serving:
        for served in [*serving]:
            connection, worker, loop = served
            event = connection.wait(0.0)
            if event is Control.RELEASE:
                serving.remove(served)
            elif event is Control.STOP:
                report = Report(0, "here", worker.results, 0.0, 0.0, worker.iteration)
                connection.report(report, np.empty(0))
            elif event is Control.ASSIGNMENT:
                connection.take_shard(worker, None)
            elif event is not None and not isinstance(event, Control):
                while loop.send(event) < time.monotonic():
                    event = None
        time.sleep(1e-3)


def bare_master(comm, workers, iterations):
    """Receive and send as benchmarks/bare_loop.py; return processor time per iteration."""
    from mpi4py import MPI

    comm = ManyToARank(comm, workers + 1)
    buffers = [np.empty(HEADER + FEATURES) for _ in range(workers)]
    places = [comm._of(w + 1, RESULT) for w in range(workers)]
    irecv, isend, some = comm._comm.Irecv, comm._comm.Isend, MPI.Request.Testsome
    requests = [irecv(buffers[w], *places[w]) for w in range(workers)]
    points = [comm._of(w + 1, POINT) for w in range(workers)]
    statuses = [MPI.Status() for _ in range(workers)]
    sums, sending = np.empty((workers, FEATURES)), []
    for iteration in range(iterations + 2):  # the last one says stop
        if iteration == 1:
            begin = time.process_time()
        if iteration == iterations + 1:
            seconds = time.process_time() - begin
        sending = [item for item in sending if not item[0].Test()]
        message = np.full(1 + FEATURES, -1.0 if iteration > iterations else float(iteration))
        sending += [(isend(message, *point), message) for point in points]
        here = 0 if iteration <= iterations else workers
        while here < workers:
            pause = 5e-5
            while not (found := some(requests, statuses) or some(requests, statuses)):
                time.sleep(pause)
                pause = min(2 * pause, 2e-4)
            for index in found:
                if buffers[index][1] == iteration and here < workers:
                    sums[here] = buffers[index][HEADER:]
                    here += 1
                requests[index] = irecv(buffers[index], *places[index])
    for request in requests:
        request.Cancel()
    return seconds / iterations


def bare_workers(comm, workers):
    """Answer each point of each worker of this process with a message."""
    from mpi4py import MPI

    comms, sending = own(comm, workers), []
    buffers = [np.empty(1 + FEATURES) for _ in comms]
    requests = [each.Irecv(buffer, 0, POINT) for each, buffer in zip(comms, buffers, strict=True)]
    left = len(comms)
    while left:
        for index in MPI.Request.Testsome(requests) or ():
            if buffers[index][0] < 0:
                left -= 1
                continue
            message = np.zeros(HEADER + FEATURES)
            message[1] = buffers[index][0]
            requests[index] = comms[index].Irecv(buffers[index], 0, POINT)
            sending = [item for item in sending if not item[0].Test()]
            sending.append((comms[index].Isend(message, 0, RESULT), message))
        time.sleep(1e-3)


def on_ranks(which, workers, iterations):
    """Run one of the loops as a rank of a job; rank 0 prints its processor time per iteration."""
    from coded_dgd.engine.transports.mpi.library import world

    master, serve = {
        "coded": (coded_master, coded_workers), "bare": (bare_master, bare_workers)
    }[which]  # fmt: skip
    if world().rank:
        serve(world(), workers)
    else:
        print(master(world(), workers, iterations), flush=True)


def main() -> None:
    """Time both in turn and state the ratio."""
    from common import command, mpiexec, state

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=50)
    given = parser.parse_args()
    ratios, times = [], []
    for _ in range(given.repeats):
        coded, bare = (
            float(
                command(
                    mpiexec(), "-n", str(RANKS), sys.executable, __file__, "on-ranks", which,
                    str(given.workers), str(given.iterations), cwd=Path.cwd(),
                ).out.split()[-1]
            )
            for which in ("coded", "bare")
        )  # fmt: skip
        times.append(1e6 * coded / given.workers)
        ratios.append(coded / bare)
    what = f"{given.workers} receives: processor time of rank 0"
    state(f"{what} per message", times, " us")
    state(f"{what} / the bare loop's", ratios)


if __name__ == "__main__":
    if sys.argv[1:2] == ["on-ranks"]:
        on_ranks(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()
