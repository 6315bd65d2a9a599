"""What the operating system knows about this process."""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

_IMPORTED = time.monotonic()

LAUNCHER_FOLDER = "CODED_DGD_LAUNCHER_FOLDER"
"""Variable that names a folder for what rank 0 has to tell the script that started the job."""


def tell_launcher(name: str, text: str) -> None:
    """Write a file for the script that started the job, if there is one that wants it."""
    if folder := os.environ.get(LAUNCHER_FOLDER):
        with suppress(OSError):
            (Path(folder) / name).write_text(f"{text}\n")


def process_age() -> float:
    """Seconds since this process was started, interpreter and imports included."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):  # no Linux: as long as we know
        return time.monotonic() - _IMPORTED


def cores(pid: int = 0) -> int:
    """Number of cores that a process may use, by default this one."""
    try:
        return len(os.sched_getaffinity(pid))
    except (AttributeError, OSError):  # no Linux, or no such process any more
        return os.cpu_count() or 1


def cpu_seconds() -> float:
    """Processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
