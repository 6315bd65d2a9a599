"""The job as the operating system of this machine shows it, where Open MPI itself does not help.

With fault tolerance Open MPI does not end a job: MPI_Abort ends only the calling process, and
MPI_Init waits for ever for a rank that was killed before it arrived.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

from coded_dgd import streams
from coded_dgd.errors import CodedDGDError
from coded_dgd.host import guardian
from coded_dgd.host.process import host_name

START_SECONDS = 300.0
"""Seconds that MPI_Init may take if ranks on other machines are not visible."""
LAUNCH_SECONDS = 5.0
"""Seconds that mpiexec may take to start all processes of this machine."""
LOOK_SECONDS = 0.25
LAUNCHERS = ("mpiexec", "mpirun", "prterun", "orterun")
DAEMONS = ("prted", "orted", "hydra")
"""Prefixes of the names of processes that start ranks, also on behalf of mpiexec."""

_NAMESPACE = os.environ.get("PMIX_NAMESPACE", "")  # prterun-HOST-PID@JOB
_LAUNCHER = _NAMESPACE.rpartition("@")[0]
_PARENT = os.getppid()


def _ranks_here() -> set[int]:
    return set(guardian.processes(_NAMESPACE).values())


def all_here() -> bool:
    """Return whether all ranks of the job run on this machine; False if unknown."""
    here, size = (os.environ.get(f"OMPI_COMM_WORLD_{name}SIZE") for name in ("LOCAL_", ""))
    return here is not None and here == size


def lost_here(size: int) -> set[int]:
    """Return the ranks of a job that have ended, if this machine shows all of its `size` ranks."""
    if not all_here():
        return set()
    here = _ranks_here()
    # if every rank has a container of its own, only this one is visible
    return set(range(size)) - here if len(here) > 1 else set()


def is_here(host: str, pid: int) -> bool:
    """Return whether a process of this mpiexec is on this machine and visible from here."""
    namespace = guardian.environment(pid).get(b"PMIX_NAMESPACE", b"").decode()
    return bool(_LAUNCHER) and host == host_name() and namespace.startswith(f"{_LAUNCHER}@")


@lru_cache(maxsize=1)
def launcher() -> int | None:
    """Return the process id of mpiexec or of its daemon on this machine; None without either."""
    host, _, number = _LAUNCHER.removeprefix("prterun-").rpartition("-")
    if host == host_name() and number.isdecimal():
        return int(number)
    found, pid = None, _PARENT
    with suppress(OSError):
        while pid > 1:
            name, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")
            name = name.partition("(")[2]
            if name.startswith((*LAUNCHERS, *DAEMONS)):
                found = pid
            if name.startswith(LAUNCHERS) or (found and not name.startswith(DAEMONS)):
                break
            pid = int(fields.split()[1])
    return found or (_PARENT if _LAUNCHER else None)


def job_name() -> str:
    """Return the name of the job, which its ranks on this machine share with no other job."""
    variables = (os.environ.get(f"SLURM_{name}_ID", "") for name in ("JOB", "STEP"))
    return _NAMESPACE or str(launcher() or ".".join(variables))


def end_job() -> bool:
    """Let mpiexec or its daemon on this machine end the job; return whether it was found."""
    pid = launcher()
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return False
    return True


def end_job_surely() -> bool:
    """End the job even if mpiexec hangs; return False if no mpiexec is visible."""
    pid = launcher()
    if pid is not None:
        guardian.end_surely(pid, _NAMESPACE)
    return pid is not None


@lru_cache(maxsize=1)
def watch_start() -> Callable[[], None]:
    """Let a child process end the job if a rank is lost before the end of MPI_Init.

    Ranks 0 and 1 watch. A thread could not, because mpi4py holds the interpreter lock.

    Returns
    -------
    callable
        A function to call after MPI_Init.
    """
    rank = os.environ.get("PMIX_RANK")
    first_job = _NAMESPACE.startswith("prterun-") and _NAMESPACE.endswith("@1")
    if not first_job or rank not in ("0", "1") or "mpi4py.MPI" in sys.modules:
        return lambda: None
    reader, writer = os.pipe()
    watcher = os.fork()
    if not watcher:
        os.setsid()  # mpiexec ends process groups
        os.close(writer)
        _watch(reader, first=rank == "0")
    os.close(reader)

    def started() -> None:
        os.write(writer, b"\0")
        os.close(writer)
        os.waitpid(watcher, 0)

    return started


def _watch(reader: int, first: bool) -> NoReturn:
    begin = monotonic()
    started_here = int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "0"))
    known: set[int] = set()
    lost = False
    while not lost and monotonic() < begin + START_SECONDS:
        here = _ranks_here()
        late = monotonic() > begin + LAUNCH_SECONDS
        # if every rank has a container of its own, only this one is visible
        lost = bool(known - here) or (late and 1 < len(here) < started_here)
        known |= here
        if select.select([reader], [], [], LOOK_SECONDS)[0]:
            if os.read(reader, 1):
                os._exit(0)
            lost = True  # the one that is watched
    if not first and 0 in _ranks_here():
        sleep(4 * LOOK_SECONDS)  # rank 0 reports the error
    message = "a rank was lost while MPI started: see what ended it, and start again"
    print(f"coded-dgd: {message}", file=streams.messages(), flush=True)
    end_job_surely()
    os._exit(CodedDGDError.exit_code)
