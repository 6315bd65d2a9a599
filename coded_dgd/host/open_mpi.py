"""The job as the operating system of this machine sees it: where Open MPI itself is of no help.

With fault tolerance switched on Open MPI does not end a job: MPI_Abort ends the process that calls
it, and MPI_Init waits for ever for a rank that was killed before it came there.
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
from socket import gethostname
from time import monotonic, sleep
from typing import NoReturn

from coded_dgd import streams
from coded_dgd.errors import CodedDGDError
from coded_dgd.host import guardian

START_SECONDS = 300.0
"""How long MPI_Init may take where ranks on other machines cannot be seen."""
LAUNCH_SECONDS = 5.0
"""How long mpiexec may take until it has started all processes of this machine."""
LOOK_SECONDS = 0.25
LAUNCHERS = ("mpiexec", "mpirun", "prterun", "orterun")
DAEMONS = ("prted", "orted", "hydra")
"""How the names of the processes begin that start ranks, and that do so on their behalf."""

_NAMESPACE = os.environ.get("PMIX_NAMESPACE", "")  # prterun-HOST-PID@JOB
_LAUNCHER = _NAMESPACE.rpartition("@")[0]
_PARENT = os.getppid()


def _ranks_here() -> set[int]:
    return set(guardian.processes(_NAMESPACE).values())


def all_here() -> bool:
    """Whether all ranks of the job run on this machine; False where the launcher does not say."""
    here, size = (os.environ.get(f"OMPI_COMM_WORLD_{name}SIZE") for name in ("LOCAL_", ""))
    return here is not None and here == size


def lost_here(size: int) -> set[int]:
    """Ranks of a job that have ended, where this machine shows all of its `size` ranks."""
    if not all_here():
        return set()
    here = _ranks_here()
    # where every rank is in a container of its own, only this one is seen
    return set(range(size)) - here if len(here) > 1 else set()


def is_here(host: str, pid: int) -> bool:
    """Whether a process of this mpiexec's is on this machine, and not hidden in a container."""
    namespace = guardian.environment(pid).get(b"PMIX_NAMESPACE", b"").decode()
    return bool(_LAUNCHER) and host == gethostname() and namespace.startswith(f"{_LAUNCHER}@")


@lru_cache(maxsize=1)
def launcher() -> int | None:
    """Process id of mpiexec, or of its daemon on this machine; None where there is neither."""
    host, _, number = _LAUNCHER.removeprefix("prterun-").rpartition("-")
    if host == gethostname() and number.isdecimal():
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
    """Name of the job, the same for its ranks on this machine and no other's."""
    variables = (os.environ.get(f"SLURM_{name}_ID", "") for name in ("JOB", "STEP"))
    return _NAMESPACE or str(launcher() or ".".join(variables))


def end_job() -> bool:
    """Have mpiexec, or its daemon on this machine, end the job; return whether it was there."""
    pid = launcher()
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        return False
    return True


def end_job_surely() -> bool:
    """End the job even if mpiexec hangs; return False where there is no mpiexec to be seen."""
    pid = launcher()
    if pid is not None:
        guardian.end_surely(pid, _NAMESPACE)
    return pid is not None


@lru_cache(maxsize=1)
def watch_start() -> Callable[[], None]:
    """Have a child process end the job if a rank is lost before MPI_Init has brought all together.

    Ranks 0 and 1 watch; a thread could not, because mpi4py keeps the interpreter to itself.

    Returns
    -------
    callable
        To be called after MPI_Init.
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
        # where every rank is in a container of its own, only this one is seen
        lost = bool(known - here) or (late and 1 < len(here) < started_here)
        known |= here
        if select.select([reader], [], [], LOOK_SECONDS)[0]:
            if os.read(reader, 1):
                os._exit(0)
            lost = True  # the one that is watched
    if not first and 0 in _ranks_here():
        sleep(4 * LOOK_SECONDS)  # it is for rank 0 to speak
    message = "a rank was lost while MPI started: see what ended it, and start again"
    print(f"coded-dgd: {message}", file=streams.messages(), flush=True)
    end_job_surely()
    os._exit(CodedDGDError.exit_code)
