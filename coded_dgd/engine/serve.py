"""What a worker rank does from its start to its end."""

from __future__ import annotations

import socket
import traceback
from math import inf
from time import monotonic

from coded_dgd.engine.process import cpu_seconds
from coded_dgd.engine.protocol import STOP, Report
from coded_dgd.engine.transports.mpi import REPORT_BYTES, MPIWorker
from coded_dgd.engine.worker import Worker


def serve() -> int:
    """Take the plan and the data, work until told to stop; return the exit code."""
    connection = MPIWorker()
    plan = connection.receive_plan()
    if plan is None:
        return 0
    worker = None
    failure = details = None
    begin, cpu = monotonic(), cpu_seconds()
    stopped = False
    try:
        worker = Worker(plan, monotonic)
        stopped = not connection.receive_data(worker)
        begin, cpu = monotonic(), cpu_seconds()
        loop = worker.run(connection.send)
        deadline = next(loop)
        while not stopped:
            point = connection.wait(deadline)
            stopped = point is not None and point.iteration == STOP
            if not stopped:
                deadline = loop.send(point)
    except Exception as error:
        failure = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
        details = traceback.format_exc()[-REPORT_BYTES // 4 :]
    report = Report(
        worker=plan.worker,
        host=socket.gethostname(),
        results=worker.results if worker else 0,
        cpu_seconds=cpu_seconds() - cpu,
        seconds=monotonic() - begin,
        iteration=worker.iteration if worker else 0,
        failure=failure,
        traceback=details,
    )
    connection.report(report)
    while not stopped:  # a failed worker lets the master end the job in good order
        point = connection.wait(inf)
        stopped = point is not None and point.iteration == STOP
    return 0 if failure is None else 1
