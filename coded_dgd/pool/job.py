"""A job of ranks that a process starts, trains on and ends."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from coded_dgd.engine.job import asks_to_stop
from coded_dgd.errors import CodedDGDError, UsageError, one_line
from coded_dgd.pool import launching
from coded_dgd.pool.launched import Launched
from coded_dgd.pool.messages import SOCKET, Answer, Call, Order, Record, Reply
from coded_dgd.pool.parcels import pack, room_in

PROGRAM = "coded_dgd.pool_ranks"
NOT_STARTED = "The PMIx server's listener thread failed to start"
"""Message of an Open MPI that could not start itself, and can if it is started again."""
LOOK_SECONDS = 0.1
"""Seconds between two checks whether mpiexec runs, until rank 0 connects itself."""


class Job:
    """The ranks that one mpiexec runs, and the connection to rank 0.

    Parameters
    ----------
    folder : Path
        A folder of the job's own, which only this user can enter; the job removes it.
    words : list of str
        The command that starts the ranks.

    Raises
    ------
    CodedDGDError
        The ranks cannot be started.
    """

    def __init__(self, folder: Path, words: list[str]) -> None:
        self._owner, self._folder, self._trainings = os.getpid(), folder, 0
        self._launched: Launched | None = None
        self._connection: Connection | None = None
        self.ended = False
        """Whether this process has ended the job."""
        try:
            with socket.socket(socket.AF_UNIX) as server:
                _listen(server, folder / SOCKET)
                self._launched = Launched(words, folder)
                self._connection = self._accept(server, self._launched)
        except BaseException:
            self.end()
            raise
        self._launched.shows = True

    @classmethod
    def start(cls, workers: int, mpiexec: Sequence[str] | str | None) -> Job:
        """Return a job with a number of workers, once all of its ranks have started.

        Raises
        ------
        CodedDGDError
            There is no mpiexec, or it cannot start the ranks, or there is no temporary folder.
        """
        words = launching.command(mpiexec, workers + 1, "-m", PROGRAM)
        try:
            return cls._in_new_folder(words)
        except CodedDGDError as error:
            if NOT_STARTED not in str(error):
                raise
        return cls._in_new_folder(words)

    @classmethod
    def _in_new_folder(cls, words: list[str]) -> Job:
        with room_in(Path(os.environ.get("TMPDIR", "/tmp"))):
            folder = Path(tempfile.mkdtemp(prefix="coded_dgd-"))
        return cls(folder, [*words, str(folder)])

    def _accept(self, server: socket.socket, launched: Launched) -> Connection:
        """Wait until rank 0 connects itself; nobody else can enter the folder of the socket."""
        while True:
            try:
                accepted, _ = server.accept()
            except TimeoutError:
                if launched.runs:
                    continue
                why = launched.last_words()
                if launched.has_said(NOT_STARTED):
                    why = NOT_STARTED
                raise CodedDGDError(f"workers: mpiexec has not started them: {why}") from None
            return Connection(accepted.detach())

    def train(self, call: Call, objective: Any, callback: Callable[[Any], Any] | None) -> Reply:
        """Run a training on the ranks. If it is interrupted, the job is ended.

        Raises
        ------
        CodedDGDError
            An argument cannot be sent to the ranks, or the job has ended.
        Exception
            What `callback` raises; the training is then ended, and the job is not.
        """
        self._trainings += 1
        arrays = self._folder / str(self._trainings)
        try:
            with room_in(arrays):
                arrays.mkdir()
            order = Order(
                _current_folder(),
                [*sys.path],
                pack(objective, arrays),
                pack(call, arrays),
                str(arrays),
                callback is not None,
            )
            return self._exchange(order, callback)
        finally:
            shutil.rmtree(arrays, ignore_errors=True)

    def _exchange(self, order: Order, callback: Callable[[Any], Any] | None) -> Reply:
        connection = self._connection
        failure: Exception | None = None
        try:
            if connection is None:
                raise EOFError
            connection.send(order)
            while isinstance(message := connection.recv(), Record):
                assert callback is not None
                try:
                    stop = asks_to_stop(callback(message.iteration))
                    connection.send(Answer.STOP if stop else Answer.GO_ON)
                except Exception as error:
                    failure = error
                    connection.send(Answer.FAIL)
        except (EOFError, OSError):
            why = self._launched.last_words() if self._launched else ""
            self.end()
            raise CodedDGDError(
                f"train: the workers have ended ({why}); the next training starts others"
            ) from None
        except BaseException:
            self.end()
            raise
        assert isinstance(message, Reply)
        if message.last:
            self.end()
        if failure is not None:
            raise failure
        return message

    def end(self) -> None:
        """End the job, if it runs, and remove its folder.

        Between two trainings the ranks have nothing to finish: they are ended by their mpiexec,
        without MPI_Finalize, which takes longer and may hang.
        """
        if os.getpid() != self._owner:
            return
        self.ended = True
        try:
            if self._launched is not None:
                self._launched.shows = False
                self._launched.end()
        finally:
            self.disconnect()
            shutil.rmtree(self._folder, ignore_errors=True)

    def disconnect(self) -> None:
        """Close the connection in this process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _listen(server: socket.socket, path: Path) -> None:
    try:
        server.bind(str(path))
    except OSError as error:
        raise UsageError(
            f"workers: {path} cannot be a socket ({one_line(error)}): set TMPDIR to a folder with "
            "a short name on a local disk"
        ) from None
    server.listen()
    server.settimeout(LOOK_SECONDS)


def _current_folder() -> str | None:
    with suppress(OSError):  # it may have been removed
        return str(Path.cwd())
    return None
