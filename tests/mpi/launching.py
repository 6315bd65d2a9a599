"""Start mpiexec as a user does, from a process that never initialises MPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Finished(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def said(self) -> list[str]:
        """The lines of stderr that are ours, not mpiexec's."""
        return [line for line in self.err.splitlines() if line.startswith("coded-dgd: ")]


def mpiexec() -> str:
    """The mpiexec of this environment."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = os.environ.get("MPIEXEC") or (str(beside) if beside.exists() else None)
    return found or shutil.which("mpiexec") or "mpiexec"


def command(*arguments: str, cwd: Path, timeout: float = 120.0, **env: str) -> Finished:
    """Run a command; its processes are gone when this returns."""
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def mpirun(
    ranks: int,
    *arguments: str,
    cwd: Path,
    script: str | None = None,
    module: str = "coded_dgd.run",
    **kwargs: Any,
) -> Finished:
    """``mpiexec -n RANKS python -m MODULE ARGUMENTS``, or a script of this folder."""
    program = ["-m", module] if script is None else [str(HERE / script)]
    return command(
        mpiexec(), "-n", str(ranks), sys.executable, *program, *arguments, cwd=cwd, **kwargs
    )


def alone(*arguments: str, cwd: Path, **kwargs: Any) -> Finished:
    """``python -m coded_dgd.run ARGUMENTS`` without mpiexec."""
    return command(sys.executable, "-m", "coded_dgd.run", *arguments, cwd=cwd, **kwargs)


def children(launcher: int) -> dict[int, int]:
    """Ids of the ranks that an mpiexec has started on this machine, by rank."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found = {}
    for process, parent in parents.items():
        # between MPICH's mpiexec and its ranks there is a proxy
        if launcher not in (parent, parents.get(parent)):
            continue
        with suppress(OSError):
            for entry in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                if entry.startswith((b"PMIX_RANK=", b"PMI_RANK=")):
                    found[int(entry.partition(b"=")[2])] = process
    return found


def processes_mentioning(text: str, where: str = "cmdline") -> list[int]:
    """Ids of the processes whose command line, or ``environ``, holds `text`."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{where}"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if text.encode() in content:
            found.append(int(path.parent.name))
    return found
