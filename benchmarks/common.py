"""What the benchmarks share: running the program on real ranks, and stating ratios."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "mpi"))
from launching import Finished, command, mpiexec, mpirun

__all__ = ["Finished", "command", "compare_json", "iterations_done", "mpiexec", "run_json", "state"]


def run_json(
    ranks: int, *arguments: str, folder: Path | None = None, script: str | None = None
) -> dict[str, Any]:
    """Run the program, or a script in its place, on real ranks; return its JSON object."""
    with tempfile.TemporaryDirectory() as scratch:
        out = folder or Path(scratch) / "run"
        done = mpirun(
            ranks, *arguments, "--json", "--quiet", "--out", str(out),
            cwd=Path.cwd(), script=script, timeout=900,
        )  # fmt: skip
    return _result(done)


def compare_json(ranks: int, *arguments: str, folder: Path) -> dict[str, Any]:
    """Compare schemes on real ranks; return the JSON object."""
    program = [mpiexec(), "-n", str(ranks), sys.executable, "-m", "coded_dgd", "compare"]
    options = ["--json", "--quiet", "--out", str(folder)]
    return _result(command(*program, *arguments, *options, cwd=Path.cwd(), timeout=3600))


def _result(done: Finished) -> dict[str, Any]:
    if done.code:
        raise SystemExit(f"exit code {done.code}: {done.err}")
    return done.json


def iterations_done(out: Path) -> int:
    """Count the iterations that a run has written down so far."""
    lines = out / "iterations.jsonl"
    return lines.read_bytes().count(b"\n") if lines.exists() else 0


def state(what: str, values: Sequence[float], unit: str = "") -> None:
    """Print median and range of several measurements."""
    print(
        f"{what}: median {statistics.median(values):.3f}{unit} "
        f"(min {min(values):.3f}, max {max(values):.3f}, n = {len(values)})",
        flush=True,
    )
