"""Start mpiexec as a user does, from a process that never initialises MPI."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
NOT_STARTED = "The PMIx server's listener thread failed to start"


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
        """The lines of stderr that are ours, not mpiexec's, which may put NUL bytes before them."""
        lines = self.err.replace("\0", "").splitlines()
        return [line for line in lines if line.startswith("coded-dgd: ")]


def mpiexec() -> str:
    """The mpiexec of this environment."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = os.environ.get("MPIEXEC") or (str(beside) if beside.exists() else None)
    return found or shutil.which("mpiexec") or "mpiexec"


def command(*arguments: str, cwd: Path, timeout: float = 120.0, **env: str | None) -> Finished:
    """Run a command, without the variables that are None; its processes are gone afterwards."""
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={name: value for name, value in {**os.environ, **env}.items() if value is not None},
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
    """``mpiexec -n RANKS python -m MODULE ARGUMENTS``, or a script of this folder.

    A launcher that could not start itself, which happens to Open MPI at times, is started again.
    """
    program = ["-m", module] if script is None else [str(HERE / script)]
    words = [mpiexec(), "-n", str(ranks), sys.executable, *program, *arguments]
    done = command(*words, cwd=cwd, **kwargs)
    return command(*words, cwd=cwd, **kwargs) if NOT_STARTED in done.err else done


def several(ranks: int, lines: Sequence[Sequence[str]], cwd: Path, **kwargs: Any) -> list[Finished]:
    """Run several command lines, each with the name of its command, in one job; in order."""
    path = cwd / "several.json"
    path.write_text(json.dumps(lines), encoding="utf-8")
    done = mpirun(ranks, str(path), cwd=cwd, script="several.py", **kwargs)
    assert done.code == 0, done.err
    results = path.with_name("several.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(results) == len(lines), done.err
    return [Finished(*json.loads(result)) for result in results]


def within(*arguments: str, cwd: Path) -> Finished:
    """``coded-dgd ARGUMENTS`` in this process, which starts nothing; for commands without ranks."""
    from coded_dgd.cli import run_command_line

    before = Path.cwd()
    os.chdir(cwd)
    try:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = run_command_line([*arguments])
    finally:
        os.chdir(before)
    return Finished(code, out.getvalue(), err.getvalue())


def alone(*arguments: str, cwd: Path, **kwargs: Any) -> Finished:
    """``python -m coded_dgd.run ARGUMENTS`` without mpiexec."""
    return command(sys.executable, "-m", "coded_dgd.run", *arguments, cwd=cwd, **kwargs)


def children(launcher: int) -> dict[int, int]:
    """Ids of the ranks that an mpiexec has started on this machine, by rank."""
    return {rank: pid for pid, job, rank in _started(launcher) if job == 1}


def spawned(launcher: int) -> list[int]:
    """Ids of the processes that the ranks of an Open MPI mpiexec have started through MPI."""
    return sorted(pid for pid, job, _ in _started(launcher) if job > 1)


def _started(launcher: int) -> Iterator[tuple[int, int, int]]:
    """Process id, number of the job and rank of each process that an mpiexec has started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    for process, parent in parents.items():
        # between MPICH's mpiexec and its ranks there is a proxy
        if launcher not in (parent, parents.get(parent)):
            continue
        try:
            environment = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        entries = dict(entry.partition("=")[::2] for entry in environment.split("\0"))
        rank = entries.get("PMIX_RANK", entries.get("PMI_RANK"))
        if rank is not None:
            # NAME@1 under Open MPI 5; under Open MPI 4 a number that ends with that of the job
            job = entries.get("PMIX_NAMESPACE", "@1").rpartition("@")[2]
            yield process, int(job) & 0xFFFF if job.isdecimal() else 1, int(rank)


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
