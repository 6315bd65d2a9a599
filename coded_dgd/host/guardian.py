"""A process beside a master that ends the job if the master dies silently or cannot leave.

Open MPI with fault tolerance continues a job that has lost rank 0, and returns 0. With MPICH the
others wait in MPI_Init for a rank that ended before. MPI_Finalize may hang if a rank is lost. The
guardian notices this whatever its rank is doing: it reads from a pipe that the rank holds, which is
rank 0 of COMM_WORLD or of another communicator. It is this file, run as a script on its own, and
uses neither the package nor MPI.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

FINALIZING, LEAVING, ABORTING = b"f", b"l", b"a"
"""Notices of rank 0 before it ends: by MPI_Finalize with all others, alone, or with the job."""

NOTICE_SECONDS = 1.5
"""Seconds for the launcher to end the job on its own after rank 0 has ended."""
LEAVE_SECONDS = 6.0
"""Longest time in seconds between the ends of two ranks of this machine in MPI_Finalize."""
END_SECONDS = 5.0
"""Seconds for the launcher to end a job on request."""
LOOK_SECONDS = 0.25

ENDED = (
    "coded-dgd: rank {} ended without notice (killed, out of memory, os._exit): the job is ended"
)
STUCK = "coded-dgd: a rank was lost, and the others cannot end without it: the job is ended"


def environment(pid: int) -> dict[bytes, bytes]:
    """Return the variables with which a process has started; none if they cannot be read."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it is gone, or not ours
        return {}
    return {name: value for name, _, value in (entry.partition(b"=") for entry in entries)}


def processes(namespace: str) -> dict[int, int]:
    """Return the ranks of an Open MPI job that run on this machine, by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*") if namespace else ():
        variables = environment(int(path.name))
        if variables.get(b"PMIX_NAMESPACE") == namespace.encode():
            found[int(path.name)] = int(variables[b"PMIX_RANK"])
    return found


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return True


def end_surely(launcher: int, namespace: str) -> None:
    """End a job by its launcher, even if that has lost a rank in MPI_Init and hangs itself."""
    deadline = monotonic() + END_SECONDS
    with suppress(OSError):
        os.kill(launcher, signal.SIGTERM)
    while alive(launcher):
        if monotonic() >= deadline:
            for pid in [*processes(namespace), launcher]:
                if pid != os.getpid():
                    with suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            return
        sleep(LOOK_SECONDS)


def guard(launcher: int, namespace: str, ranks_here: int, rank: str) -> str | None:
    """Wait for the end of a rank; return a message if the job has to be ended, else None."""
    notice = os.read(0, 1)
    if notice == LEAVING:
        return None
    if notice == FINALIZING:
        return STUCK if _stuck(namespace, ranks_here) else None
    deadline = monotonic() + (END_SECONDS if notice else NOTICE_SECONDS)
    while alive(launcher):
        if monotonic() >= deadline:
            return "" if notice else ENDED.format(rank)
        sleep(LOOK_SECONDS)
    return None


def _stuck(namespace: str, ranks_here: int) -> bool:
    """Wait until all ranks of this machine have ended; return whether some of them never do.

    They end together: no rank leaves MPI_Finalize before all have entered it.
    """
    before, since = ranks_here, monotonic()
    while True:
        ended = bool(select.select([0], [], [], 4 * LOOK_SECONDS)[0])  # rank 0
        here = len(set(processes(namespace).values()))
        if ended and not here:
            return False
        # if every rank has a container of its own, only rank 0 is visible
        ending = ended or 1 < here < ranks_here
        if here != before or not ending:
            before, since = here, monotonic()
        if monotonic() >= since + LEAVE_SECONDS:
            return True
        if ended:
            sleep(LOOK_SECONDS)


def start(launcher: int, rank: int) -> int:
    """Start a guardian of this process; return the end of the pipe to which notices are written."""
    reader, writer = os.pipe()
    job = os.environ.get("PMIX_NAMESPACE", ""), os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "0")
    needed = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "LANG")
    # neither a fork, which may not follow MPI_Init, nor one that /proc shows as a rank
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", __file__, str(launcher), *job, str(rank)],
        {name: os.environ[name] for name in needed if name in os.environ},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reader, 0),
            # the launcher waits until no process holds the output of rank 0
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    os.close(reader)
    os.register_at_fork(after_in_child=lambda: os.close(writer))
    return writer


def main() -> None:
    """Guard the process that holds the other end of the pipe on standard input."""
    os.setsid()  # the launcher ends process groups
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    launcher, namespace = int(sys.argv[1]), sys.argv[2]
    message = guard(launcher, namespace, int(sys.argv[3]), sys.argv[4])
    if message is not None:
        with suppress(OSError), Path(f"/proc/{launcher}/fd/2").open("a") as stderr:
            stderr.write(f"{message}\n" if message else "")
        end_surely(launcher, namespace)


if __name__ == "__main__":
    main()
