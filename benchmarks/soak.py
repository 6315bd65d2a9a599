"""Does anything grow? Thousands of iterations on 41 ranks, one worker frozen for a third of them.

python benchmarks/soak.py [--iterations 10000] [--ranks 41]

Prints memory and open files of rank 0, of a worker and of the frozen one, at tenths of the run. A
message that nobody takes would show up as memory: in the frozen worker's direction points that it
does not read, in the other one results that rank 0 does not take.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import iterations_done, mpiexec
from launching import children

FREEZE, THAW = 0.3, 0.6
"""Part of the run after which the last worker is frozen, and woken again."""
MOMENTS = (0.1, 0.2, 0.5, 0.7, 0.9, 1.0)


def memory(pid: int) -> float:
    """Megabytes of a process's own memory; what it maps of files comes and goes."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = dict(line.split(":", 1) for line in status.splitlines())
    return int(kilobytes["RssAnon"].split()[0]) / 1024


def shared_memory() -> float:
    """Megabytes of the files through which Open MPI's processes on one machine talk."""
    return sum(path.stat().st_blocks for path in Path("/dev/shm").glob("sm_segment*")) / 2048


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def main() -> None:
    """Run, and print a row at each of the moments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--ranks", type=int, default=41)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        soak(arguments.iterations, arguments.ranks, Path(scratch) / "run")


def soak(iterations: int, ranks: int, out: Path) -> None:
    process = subprocess.Popen(
        [
            mpiexec(), "-n", str(ranks), sys.executable, "-m", "coded_dgd.run", "--scheme",
            "lcc-mmc", "--iterations", str(iterations), "--delay",
            "shifted-exponential:mu=5000,alpha=0.0001", "--quiet", "--out", str(out),
            "--checkpoint-every", "500",
        ],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    arrivals = out / "arrivals-1.f8"
    while not arrivals.exists() or not arrivals.stat().st_size:
        if process.poll() is not None:
            raise SystemExit(process.returncode)
        time.sleep(0.01)
    pids = children(process.pid)
    shown = {"rank 0": pids[0], "rank 1": pids[1], f"rank {ranks - 1}": pids[ranks - 1]}
    heads = [f"{name}: MB, files" for name in shown]
    print(f"| iterations | seconds | {' | '.join(heads)} | shared segments, MB |")
    print(f"|{'---|' * (len(heads) + 3)}")
    begin = time.monotonic()
    events = [(part, "row") for part in MOMENTS] + [(FREEZE, "freeze"), (THAW, "thaw")]
    for part, event in sorted(events):
        # the last row while everybody is still there
        while process.poll() is None and iterations_done(out) < part * (iterations - 200):
            time.sleep(0.05)
        if process.poll() is not None:
            break
        if event == "row":
            cells = [f"{memory(pid):.1f}, {open_files(pid)}" for pid in shown.values()]
            seconds = f"{time.monotonic() - begin:.0f}"
            row = [str(iterations_done(out)), seconds, *cells, f"{shared_memory():.1f}"]
            print(f"| {' | '.join(row)} |", flush=True)
        else:
            number = signal.SIGSTOP if event == "freeze" else signal.SIGCONT
            os.kill(pids[ranks - 1], number)
    print(f"\nexit code {process.wait()}")


if __name__ == "__main__":
    main()
