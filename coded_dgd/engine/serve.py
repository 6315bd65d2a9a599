"""What a worker rank does from its start to its end."""

from __future__ import annotations

import socket
import traceback
from time import monotonic

from coded_dgd.engine.process import cpu_seconds
from coded_dgd.engine.protocol import RELEASE, STOP, Report
from coded_dgd.engine.transports.mpi import REPORT_BYTES, MPIWorker
from coded_dgd.engine.worker import Worker
from coded_dgd.problems.objectives import Objective


def serve(objective: Objective | None = None) -> int:
    """Take the plan and the data, work until told to stop; return the exit code.

    Parameters
    ----------
    objective : Objective, optional
        By default the one that the plan names.
    """
    connection = MPIWorker()
    plan = connection.receive_plan()
    if plan is None:
        return 0
    worker = None
    failure = details = None
    begin, cpu = monotonic(), cpu_seconds()
    try:
        worker = Worker(plan, monotonic, objective)
        going = connection.receive_data(worker)
        begin, cpu = monotonic(), cpu_seconds()
        loop = worker.run(connection.send)
        deadline = next(loop)
        while going:
            point = connection.wait(deadline)
            going = point is None or point.iteration != STOP
            if going:
                deadline = loop.send(point)
    except Exception as error:
        failure = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
        details = traceback.format_exc()[-REPORT_BYTES // 4 :]
    connection.report(
        Report(
            worker=plan.worker,
            host=socket.gethostname(),
            results=worker.results if worker else 0,
            cpu_seconds=cpu_seconds() - cpu,
            seconds=monotonic() - begin,
            iteration=worker.iteration if worker else 0,
            failure=failure,
            traceback=details,
        )
    )
    # Nobody leaves before all have reported: an MPI job whose ranks have left in part aborts badly.
    released = False
    while not released:
        connection.discard_data()
        point = connection.wait(monotonic() + 0.01)
        released = point is not None and point.iteration == RELEASE
    return 0 if failure is None else 1
