"""``python -m coded_dgd.pool_ranks FOLDER``: a rank of a job that `coded_dgd.pool` has started.

Rank 0 is given trainings by the process that has started the job, and every rank calls `train`.
"""

from __future__ import annotations

import importlib
import os
import select
import shutil
import sys
import threading
import warnings
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple, NoReturn

from coded_dgd import streams
from coded_dgd.engine.transports import ending
from coded_dgd.errors import CodedDGDError
from coded_dgd.host.leaving import end_with_parent
from coded_dgd.host.threads import set_threads

END = None
"""What rank 0 is given, and gives to the others, instead of another training."""

END_SECONDS = 2.0
"""Seconds for the process to end a job that has lost a rank, before the others end it noisily."""


class Task(NamedTuple):
    """What every rank has to know of a training."""

    folder: str | None
    path: list[str]
    objective: bytes
    arrays: str

    def enter(self) -> Any:
        """Go to where the training was called, and return the argument `objective`."""
        from coded_dgd.pool.parcels import unpack

        if self.folder is not None:
            os.chdir(self.folder)
        sys.path[:] = self.path
        importlib.invalidate_caches()  # a module may be new
        return unpack(self.objective, Path(self.arrays))


def main(folder: Path) -> None:
    """Train as often as the process that has started this job says, until it ends the job."""
    streams.prepare()
    set_threads()
    end_with_parent()
    from coded_dgd.engine.transports.mpi.library import world
    from coded_dgd.engine.transports.mpi.rendezvous import meet

    meet(world())
    if world().rank == 0:
        serve(folder)
    else:
        work()


def work() -> None:
    """Take part in every training, as a rank other than 0."""
    from coded_dgd.api import train
    from coded_dgd.engine.transports.mpi.broadcasting import broadcast
    from coded_dgd.engine.transports.mpi.library import failed_ranks

    while isinstance(task := broadcast(None), Task):
        objective = task.enter()
        with suppress(CodedDGDError):  # which rank 0 raises
            train(objective=objective)
        if failed_ranks():
            sleep(END_SECONDS)


def serve(folder: Path) -> None:
    """Run the trainings that the process asks for, as rank 0."""
    from coded_dgd.engine.transports.mpi.broadcasting import broadcast
    from coded_dgd.pool.messages import SOCKET

    try:
        client = Client(str(folder / SOCKET))
    except OSError:  # the process has ended meanwhile
        _leave(folder)
    watch = threading.Thread(target=_watch, args=(client.fileno(), folder), daemon=True)
    watch.start()
    try:
        while (order := client.recv()) is not END:
            client.send(_outcome(client, order))
    except (EOFError, OSError):
        watch.join()  # which ends this process
    broadcast(None, END)


def _watch(descriptor: int, folder: Path) -> None:
    """End the job when the process has ended, which closes its end of the connection."""
    hung_up = select.poll()
    hung_up.register(descriptor, 0)  # of which the system always informs
    hung_up.poll()
    _leave(folder)


def _leave(folder: Path) -> NoReturn:
    shutil.rmtree(folder, ignore_errors=True)
    ending.end_job()
    os._exit(ending.EXIT_CODE)


def _outcome(client: Connection, order: Any) -> Any:
    """Run a training on all ranks, and return what has become of it."""
    from coded_dgd.api import train
    from coded_dgd.engine.transports.mpi.broadcasting import broadcast
    from coded_dgd.engine.transports.mpi.library import failed_ranks
    from coded_dgd.pool.messages import Failure, Outcome
    from coded_dgd.pool.parcels import unpack

    with warnings.catch_warnings(record=True) as caught:
        for kind in UserWarning, RuntimeWarning:
            warnings.simplefilter("always", kind)  # the filters of the process decide
        try:
            if lost := failed_ranks():
                raise CodedDGDError(
                    f"train: {len(lost)} of the workers have ended since the last training; the "
                    "next training starts others"
                )
            task = Task(order.folder, order.path, order.objective, order.arrays)
            objective = task.enter()
            call = unpack(order.call, Path(order.arrays))
            broadcast(None, task)
            training, error = (
                train(
                    call.X,
                    call.y,
                    *call.unnamed,
                    sample_weight=call.sample_weight,
                    objective=objective,
                    callback=(lambda record: _ask(client, record)) if order.records else None,
                    **call.options,
                ),
                None,
            )
        except Exception as raised:
            training, error = None, Failure.of(raised)
    found = [(str(each.message), each.category) for each in caught]
    return Outcome(training, error, found, bool(failed_ranks()))


def _ask(client: Connection, record: Any) -> bool:
    """Return whether the callback of the process wants the training to stop."""
    from coded_dgd.pool.messages import Answer, Record

    client.send(Record(record))
    answer = client.recv()
    if answer is Answer.FAIL:
        raise CodedDGDError("train: the callback has raised an error")
    return answer is Answer.STOP


if __name__ == "__main__":
    main(Path(sys.argv[1]))
