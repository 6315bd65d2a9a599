"""The life of a worker rank, from its start to its end."""

from __future__ import annotations

import signal
import sys
from math import inf
from time import monotonic
from typing import Literal, NoReturn

import numpy as np

from coded_dgd.engine.protocol import Control, Point, Report
from coded_dgd.engine.transports.mpi.library import REPORT_BYTES, world
from coded_dgd.engine.transports.mpi.worker import MPIWorker
from coded_dgd.engine.worker import Worker
from coded_dgd.errors import CodedDGDError
from coded_dgd.host.leaving import leave
from coded_dgd.host.process import cpu_seconds, host_name, peak_memory
from coded_dgd.problems.objectives import Objective


def serve(connection: MPIWorker, objective: Objective | None = None) -> bool:
    """Receive assignments and data, and work until the master releases the worker.

    Parameters
    ----------
    connection : MPIWorker
        Connection to the master.
    objective : Objective, optional
        By default the one that the assignment names.

    Returns
    -------
    bool
        Whether MPI_Finalize may hang, so that this process should `leave` without it.
    """
    worker = Worker(monotonic, connection.outbox.zeros)
    failure = details = None
    begin, cpu = monotonic(), cpu_seconds()
    try:
        loop = worker.run(connection.outbox.send)
        deadline = next(loop)
        while (event := connection.wait(deadline)) is not Control.STOP:
            if not isinstance(event, Control):
                if connection.log and isinstance(event, Point):
                    connection.log.debug("iteration %d", event.iteration)
                deadline = loop.send(event)
            elif event is Control.ASSIGNMENT:
                first = not worker.shards
                if not connection.take_shard(worker, objective):
                    deadline = inf
                elif first:
                    begin, cpu = monotonic(), cpu_seconds()
                # the master checks
                unusual: Literal["ignore", "warn"] = "warn" if connection.log else "ignore"
                np.seterr(over=unusual, invalid=unusual)
            elif event is Control.GREET:
                connection.greet()
    except BaseException as error:  # also SystemExit, which the master would not notice
        import traceback

        known = "" if isinstance(error, CodedDGDError) else f"{type(error).__name__}: "
        failure = f"{known}{' '.join(str(error).split())}"[:500]
        details = traceback.format_exc()[-REPORT_BYTES // 4 :]
        if connection.log:
            connection.log.exception("failed in iteration %d", worker.iteration)
    seconds, cpu = monotonic() - begin, cpu_seconds() - cpu
    if connection.log:
        connection.log.info(
            "stop: %d messages sent in %.3f s, %.3f s of them on the processor",
            worker.results, seconds, cpu,
        )  # fmt: skip
    events = np.empty(0) if worker.events is None else worker.events.close()
    connection.report(
        Report(
            peer=0,
            host=host_name(),
            results=worker.results,
            cpu_seconds=cpu,
            seconds=seconds,
            iteration=worker.iteration,
            failure=failure,
            traceback=details,
            events=len(events),
            memory=peak_memory(),
        ),
        events,
    )
    # Every rank waits until all have reported: a job with some ranks gone aborts badly.
    while connection.wait(monotonic() + 0.01) is not Control.RELEASE:
        connection.discard_shard()
    return connection.hard


def serve_and_exit(connection: MPIWorker | None = None) -> NoReturn:
    """Run a worker process from start to end.

    The exit code is 0 even if the worker fails: rank 0 decides the exit code of the job.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(each, signal.SIG_IGN)  # only the master ends the job on a signal
    if serve(connection or MPIWorker(world())):
        leave(0)
    sys.exit(0)
