"""The program that every rank of a pool runs."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import NoReturn

from coded_dgd import streams
from coded_dgd.engine.transports import ending
from coded_dgd.errors import CodedDGDError
from coded_dgd.host.leaving import end_with_parent
from coded_dgd.host.threads import set_threads
from coded_dgd.pool_ranks.task import Task

END_SECONDS = 2.0
"""Seconds for the process to end a job that has lost a rank, before the others end it noisily."""


def main(folder: Path) -> NoReturn:
    """Train as often as the process that has started this job says, until the job is ended.

    Parameters
    ----------
    folder : Path
        The folder of the job, where the socket of the process is.
    """
    streams.prepare()
    set_threads()
    end_with_parent()
    try:
        from coded_dgd.engine.transports.mpi.library import world
        from coded_dgd.engine.transports.mpi.rendezvous import meet

        rank = meet(world()).rank
    except CodedDGDError as error:
        ending.end_job(str(error), error.exit_code)
        sys.exit(error.exit_code)
    if rank > 0:
        work()
    else:
        from coded_dgd.pool_ranks.serving import serve

        serve(folder)


def work() -> NoReturn:
    """Take part in every training, as a rank other than 0."""
    from coded_dgd.api import train
    from coded_dgd.engine.transports.mpi.broadcasting import broadcast
    from coded_dgd.engine.transports.mpi.library import failed_ranks

    while True:
        task = broadcast(None)
        assert isinstance(task, Task)
        objective = task.enter()
        with suppress(CodedDGDError):  # which rank 0 raises
            train(objective=objective)
        streams.flush()
        if failed_ranks():
            sleep(END_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
