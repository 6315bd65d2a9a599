"""Rank 0 of a pool runs the trainings that the process asks for."""

from __future__ import annotations

import os
import select
import shutil
import threading
import warnings
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any, NoReturn

from coded_dgd.api import Training, train
from coded_dgd.engine.transports import ending
from coded_dgd.engine.transports.mpi.broadcasting import broadcast
from coded_dgd.engine.transports.mpi.library import failed_ranks
from coded_dgd.errors import CodedDGDError, one_line
from coded_dgd.host.process import host_name
from coded_dgd.pool.messages import SOCKET, Answer, Failure, Order, Record, Reply
from coded_dgd.pool.parcels import unpack
from coded_dgd.pool_ranks.task import Task


def serve(folder: Path) -> NoReturn:
    """Run trainings until the process ends the job, or ends itself.

    Parameters
    ----------
    folder : Path
        The folder of the job.
    """
    try:
        client = Client(str(folder / SOCKET))
    except OSError as error:
        _leave(
            folder,
            f"rank 0 on {host_name()} does not reach the process that keeps the workers "
            f"({one_line(error)}): they have to run on one machine",
        )
    threading.Thread(target=_watch, args=(client.fileno(), folder), daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            client.send(_reply(client, client.recv()))
    _leave(folder, "")


def _watch(descriptor: int, folder: Path) -> None:
    """End the job when the process has ended, which closes its end of the connection."""
    hung_up = select.poll()
    hung_up.register(descriptor, 0)  # the system reports it without being asked
    hung_up.poll()
    _leave(folder, "")


def _leave(folder: Path, message: str) -> NoReturn:
    """Remove the folder of the job, and end the job."""
    shutil.rmtree(folder, ignore_errors=True)
    ending.end_job(message)
    os._exit(ending.EXIT_CODE)


def _reply(client: Connection, order: Order) -> Reply:
    """Run a training on all ranks, and return what has become of it."""
    training = failure = None
    with warnings.catch_warnings(record=True) as caught:
        for kind in UserWarning, RuntimeWarning:
            warnings.simplefilter("always", kind)  # the filters of the process decide
        try:
            training = _trained(client, order)
        except Exception as error:
            failure = Failure.of(error)
    found = [(str(each.message), each.category) for each in caught]
    return Reply(training, failure, found, last=bool(failed_ranks()))


def _trained(client: Connection, order: Order) -> Training | None:
    if lost := failed_ranks():
        raise CodedDGDError(
            f"train: {len(lost)} of the workers have ended since the last training; the next "
            "training starts others"
        )
    task = Task(order.folder, order.path, order.objective, order.arrays)
    objective = task.enter()
    call = unpack(order.call, Path(order.arrays))
    broadcast(None, task)
    return train(
        call.X,
        call.y,
        *call.unnamed,
        sample_weight=call.sample_weight,
        objective=objective,
        callback=partial(_ask, client) if order.records else None,
        **call.options,
    )


def _ask(client: Connection, record: Any) -> bool:
    """Return whether the callback of the process wants the training to stop."""
    client.send(Record(record))
    answer = client.recv()
    if answer is Answer.FAIL:
        raise CodedDGDError("train: the callback has raised an error")
    return answer is Answer.STOP
