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

START_SECONDS = 300.0
"""How long MPI_Init may take where ranks on other machines cannot be seen."""
LAUNCH_SECONDS = 5.0
"""How long mpiexec may take until it has started all processes of this machine."""
LOOK_SECONDS = 0.25
END_SECONDS = 5.0
"""How long mpiexec may take to end a job that it has been told to end."""

_NAMESPACE = os.environ.get("PMIX_NAMESPACE", "")  # prterun-HOST-PID@JOB
_LAUNCHER = _NAMESPACE.rpartition("@")[0]
_PARENT = os.getppid()


def _environment(path: Path) -> dict[bytes, bytes]:
    try:
        entries = path.read_bytes().split(b"\0")
    except OSError:  # it is gone, or not ours
        return {}
    return {name: value for name, _, value in (entry.partition(b"=") for entry in entries)}


def _processes_here() -> dict[int, int]:
    """Ranks of this job that run on this machine, by process id; those that watch count, too."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        environment = _environment(path)
        if environment.get(b"PMIX_NAMESPACE") == _NAMESPACE.encode():
            found[int(path.parent.name)] = int(environment[b"PMIX_RANK"])
    return found


def _ranks_here() -> set[int]:
    return set(_processes_here().values())


def lost_here(size: int) -> set[int]:
    """Ranks of a job that have ended, where this machine shows all of its `size` ranks."""
    if int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "0")) != size:
        return set()
    here = _ranks_here()
    # where every rank is in a container of its own, only this one is seen
    return set(range(size)) - here if len(here) > 1 else set()


def is_here(host: str, pid: int) -> bool:
    """Whether a process of this mpiexec's is on this machine, and not hidden in a container."""
    namespace = _environment(Path(f"/proc/{pid}/environ")).get(b"PMIX_NAMESPACE", b"").decode()
    return bool(_LAUNCHER) and host == gethostname() and namespace.startswith(f"{_LAUNCHER}@")


def end_job(number: int = signal.SIGTERM) -> bool:
    """Have mpiexec, or its daemon on this machine, end the job; return whether it was there."""
    host, _, pid = _LAUNCHER.removeprefix("prterun-").rpartition("-")
    if not _LAUNCHER:
        return False
    try:
        os.kill(int(pid) if host == gethostname() else _PARENT, number)
    except (OSError, ValueError):
        return False
    return True


def _end_job_surely() -> None:
    """End the job even if mpiexec, which has lost a rank in MPI_Init, hangs itself."""
    deadline = monotonic() + END_SECONDS
    if not end_job():
        return
    while end_job(0):  # it is still there
        if monotonic() >= deadline:
            for pid in _processes_here():
                if pid != os.getpid():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            end_job(signal.SIGKILL)
            return
        sleep(LOOK_SECONDS)


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
    _end_job_surely()
    os._exit(CodedDGDError.exit_code)
