"""A pool of workers: a context within which `train` uses ranks of a job of its own."""

from __future__ import annotations

import atexit
import operator
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from coded_dgd.errors import UsageError, shown
from coded_dgd.host.launcher import launch
from coded_dgd.host.process import cores

if TYPE_CHECKING:
    from coded_dgd.pool.job import Job
    from coded_dgd.pool.messages import Call

_entered: list[WorkerPool] = []
"""The pools that this process has entered and not left; the last one is in use."""


def workers(count: int | None = None, *, mpiexec: Sequence[str] | str | None = None) -> WorkerPool:
    """Return a context that keeps workers on this machine between trainings.

    Within the context, `coded_dgd.train` needs no mpiexec: the context starts one, and ends it at
    its end. If a launcher has started several ranks already, the context does nothing, and every
    rank calls `train`; so one script works both ways.

    Parameters
    ----------
    count : int, optional
        Number of workers, by default the number of cores, and at least 2.
    mpiexec : str or sequence of str, optional
        The program that starts the ranks, or its words with options. By default the one that the
        variable ``MPIEXEC`` names, the one beside the Python interpreter, or the one on PATH.

    Returns
    -------
    WorkerPool

    Raises
    ------
    UsageError
        `count` is no positive number, or differs from the number of workers that a launcher has
        started.

    Examples
    --------
    ::

        with coded_dgd.workers(8):
            first = coded_dgd.train(X, y, scheme="uc-dynamic")
            second = coded_dgd.train(X, z, scheme="uc-dynamic")
    """
    if count is not None:
        try:
            count = operator.index(count)
        except TypeError:
            raise UsageError(f"workers: {shown(count)} is no number of workers") from None
        if count < 1:
            raise UsageError(f"workers: {count} workers are too few: give 1 or more")
    launched = launch()
    if launched is not None and launched.size > 1:
        if count not in (None, launched.size - 1):
            raise UsageError(
                f"workers: a launcher has started {launched.size} ranks, which have "
                f"{launched.size - 1} workers, not {count}: call train on all of them, and leave "
                "the number out"
            )
        return WorkerPool(launched.size - 1, None, starts=False)
    return WorkerPool(max(2, cores()) if count is None else count, mpiexec)


def current() -> WorkerPool | None:
    """Return the pool on which `train` runs in this process; None without one."""
    return _entered[-1] if _entered else None


class WorkerPool:
    """Workers that are kept between trainings, as a context that may be entered again.

    Threads may share a pool, and their trainings run one after the other. After a job has ended
    before its time, such as by Ctrl-C in a training, the next training starts another one.

    Parameters
    ----------
    count : int
        Number of workers.
    mpiexec : str or sequence of str, optional
        See `workers`.
    starts : bool
        Whether the context starts a job; if not, the ranks are there already.
    """

    def __init__(
        self, count: int, mpiexec: Sequence[str] | str | None = None, starts: bool = True
    ) -> None:
        self.count = count
        self._mpiexec, self._starts = mpiexec, starts
        self._job: Job | None = None
        self._lock = threading.RLock()
        self._training = False

    def __enter__(self) -> WorkerPool:
        if self in _entered:
            raise UsageError("workers: this pool is in use: leave it before it is entered again")
        if self._starts:
            self._start()
            atexit.register(self._close)
            _entered.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self in _entered:
            _entered.remove(self)
        atexit.unregister(self._close)
        self._close()

    def train(self, call: Call, objective: Any, callback: Callable[[Any], Any] | None) -> Any:
        """Run a training, and return its result.

        Parameters
        ----------
        call : Call
            Data and options of `coded_dgd.train`.
        objective : str, Objective or class, optional
        callback : callable, optional
            Is given the record of each iteration, in this process.

        Raises
        ------
        CodedDGDError
            What rank 0 raises; or the job has ended.
        Exception
            What `callback` raises.

        Warns
        -----
        Warning
            What rank 0 warns of, as warnings of the caller of `coded_dgd.train`.
        """
        with self._lock:
            if self._training:
                raise UsageError(
                    "train: a callback cannot train on the workers whose training calls it"
                )
            if self not in _entered:
                raise UsageError("train: the workers have been left before the training began")
            asked = call.options.get("workers")
            if asked not in (None, self.count):
                raise UsageError(
                    f"train: workers={shown(asked)}, and {self.count} are kept: leave it out, or "
                    "keep another number with coded_dgd.workers(...)"
                )
            job = self._job or self._start()
            self._training = True
            try:
                reply = job.train(call, objective, callback)
            finally:
                self._training = False
                if job.ended:
                    self._job = None
        for message, category in reply.warnings:
            warnings.warn(message, category, stacklevel=3)
        if reply.error is not None:
            raise reply.error.restored()
        return reply.training

    def _start(self) -> Job:
        from coded_dgd.pool.job import Job

        self._job = Job.start(self.count, self._mpiexec)
        return self._job

    def _close(self) -> None:
        """End the job, also while another thread is training."""
        job, self._job = self._job, None
        if job is not None:
            job.end()

    def _forget(self) -> None:
        """Leave the job to the process that has forked this one."""
        if self._job is not None:
            self._job.disconnect()
        self._job = None


def _forget_all() -> None:
    for pool in _entered:
        pool._forget()
    _entered.clear()


os.register_at_fork(after_in_child=_forget_all)
