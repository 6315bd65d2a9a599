"""Workers killed one after the other over a run: is it exact, and what does each one cost?

python benchmarks/lost_workers.py [--runs 5] [--cases lcc-mmc:10:20,gc:10:9,uc-mmc:10:9]

A case is SCHEME:LOAD:KILLS on 41 ranks. By default there is also uc-dynamic:40:20, with 10 copies
of each of 160 blocks. The time lost is all of training and shutdown, less the
virtual-time ideal of the same delays with the same workers missing from the same iterations on:
the engine's ordinary overhead is in it, spread over the kills.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import iterations_done, mpiexec
from launching import Finished, children

RANKS = 41
HEADS = (
    "scheme", "load", "killed", "exit code", "workers_lost right", "largest gradient error",
    "measured / ideal", "time lost per kill, s", "longest iteration, s",
)  # fmt: skip


def main() -> None:
    """Run every case several times and print a row for each run, then the worst of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--cases", default="lcc-mmc:10:20,gc:10:9,uc-mmc:10:9,uc-dynamic:40:20")
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    costs, failed = [], False
    for case in arguments.cases.split(","):
        scheme, load, kills = case.split(":")
        for seed in range(arguments.runs):
            with tempfile.TemporaryDirectory() as scratch:
                done, victims = run(
                    Path(scratch) / "run", scheme, load, int(kills), arguments.iterations, seed
                )
            cells = [scheme, load, len(victims), done.code]
            failed |= done.code != 0
            if done.code == 0:
                result = done.json
                right = result["workers_lost"] == victims
                error = result["gradient_error"]["max"]
                ideal = result["ideal_completion_time"]["mean"]
                job = result["training_time"] - result["check_time"] + result["shutdown_time"]
                costs.append((job - arguments.iterations * ideal) / len(victims))
                cells += [
                    "yes" if right else "NO", f"{error:.1e}",
                    f"{result['completion_time']['mean'] / ideal:.3f}", f"{costs[-1]:.3f}",
                    f"{result['completion_time']['max']:.2f}",
                ]  # fmt: skip
                failed |= not right or not error <= 1e-6
            else:
                print(done.err, file=sys.stderr)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    if costs:
        print(
            f"\ntime lost per kill: median {statistics.median(costs):.3f} s, "
            f"largest {max(costs):.3f} s"
        )
    raise SystemExit(failed)


def run(
    out: Path, scheme: str, load: str, kills: int, iterations: int, seed: int
) -> tuple[Finished, list[int]]:
    """Run once, killing workers at equal distances; return what it left and whom it lost."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            [
                mpiexec(), "-n", str(RANKS), sys.executable, "-m", "coded_dgd.run", "--scheme",
                scheme, "--load", load, "--iterations", str(iterations), "--seed", str(seed),
                "--check-gradient", "--json", "--quiet", "--out", str(out),
            ],
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
        )  # fmt: skip
        victims = random.Random(seed).sample(range(1, RANKS), kills)
        for number, rank in enumerate(victims, start=1):
            while iterations_done(out) < number * iterations // (kills + 1):
                if process.poll() is not None:
                    break
                time.sleep(0.01)
            if (pid := children(process.pid).get(rank)) is not None:
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for file in (stdout, stderr):
            file.seek(0)
        return Finished(process.returncode, stdout.read(), stderr.read()), sorted(victims)


if __name__ == "__main__":
    main()
