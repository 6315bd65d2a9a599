"""What the operating system knows about this process."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

_IMPORTED = time.monotonic()

LAUNCHER_FOLDER = "CODED_DGD_LAUNCHER_FOLDER"
"""Variable that names a folder for messages of rank 0 to the script that started the job."""


def host_name() -> str:
    """Return the name of this host, as `socket.gethostname` does.

    Every worker needs the name, and loading `socket` for it takes 3 ms.
    """
    return os.uname().nodename


def tell_launcher(name: str, text: str) -> None:
    """Write a file for the script that started the job, if the script asks for it."""
    if folder := os.environ.get(LAUNCHER_FOLDER):
        with suppress(OSError):
            (Path(folder) / name).write_text(f"{text}\n")


def process_age() -> float:
    """Return the seconds since this process was started, interpreter and imports included."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):  # no Linux: as long as we know
        return time.monotonic() - _IMPORTED


def started(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since the boot of this host.

    Returns
    -------
    int or None
        None if the process does not exist or is a zombie; 0 if it exists and the system does not
        say when it was started.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:  # it belongs to another user
        pass
    return 0


def boot_id() -> str:
    """Return an identifier of this boot of this host; the host's name if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return host_name()


def pid_namespace() -> str:
    """Return the namespace to which the process ids seen here belong."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def cores(pid: int = 0) -> int:
    """Return the number of cores that a process may use, by default this one."""
    try:
        return len(os.sched_getaffinity(pid))
    except (AttributeError, OSError):  # not Linux, or the process has ended
        return os.cpu_count() or 1


def peak_memory() -> int:
    """Return the peak memory of this process in bytes, the interpreter included.

    Memory that it shares with other processes counts in part: half of what two share.
    """
    status = _kilobytes("/proc/self/status")
    if "VmHWM" not in status:  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    shared = status.get("RssShmem", 0)
    parts = _kilobytes("/proc/self/smaps_rollup") if shared else {}
    return (status["VmHWM"] - shared + parts.get("Pss_Shmem", shared)) * 1024


def _kilobytes(path: str) -> dict[str, int]:
    """Return the lines ``name:  number kB`` of a system file; nothing if it does not exist."""
    found = {}
    with suppress(OSError):
        for line in Path(path).read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                found[name] = int(value.removesuffix(" kB"))
    return found


def cpu_seconds() -> float:
    """Return the processor time that this process has used, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
