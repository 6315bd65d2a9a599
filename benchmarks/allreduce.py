"""Whole jobs, mpiexec's start to its end, against a plain Allreduce loop on the same delays.

python benchmarks/allreduce.py [--repeats 5] [--iterations 100] [--cases stragglers nobody]

Once with the papers' delays, where a coded scheme is ahead by what theory says, and once where each
task takes 50 ms and nobody is late, where all that is left is overhead. The loop is
benchmarks/allreduce_loop.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from math import isclose
from pathlib import Path

from common import command, mpiexec, run_json, state

WORKERS, SEED = 40, 0
DATA = "synthetic:rows=1000,features=100"
LOOP = Path(__file__).with_name("allreduce_loop.py")
STRAGGLERS = "shifted-exponential:mu=10,alpha=0.01"
NOBODY = "shifted-exponential:mu=inf,alpha=0.05"
CASES = {
    "stragglers": (
        "stragglers",
        STRAGGLERS,
        (("uncoded", 1), ("lcc-mmc", 10), ("uc-mmc", 10), ("mds-mmc", 10)),
    ),
    "nobody": (
        "no stragglers, tasks of 50 ms",
        NOBODY,
        (("uncoded", 1), ("lcc-mmc", 2), ("mds-mmc", 1)),
    ),
}


def loop(iterations: int, delay: str) -> tuple[float, float]:
    """Run the Allreduce loop; return seconds and the final loss."""
    begin = time.time()
    done = command(
        mpiexec(), "-n", str(WORKERS), sys.executable, str(LOOP), str(iterations), delay, DATA,
        str(SEED), cwd=Path.cwd(), timeout=900,
    )  # fmt: skip
    return time.time() - begin, float(done.out)


def ours(iterations: int, delay: str, scheme: str, load: int) -> tuple[float, dict[str, float]]:
    """Run a scheme; return seconds and its results."""
    begin = time.time()
    result = run_json(
        WORKERS + 1, "--scheme", scheme, "--load", str(load), "--delay", delay, "--data", DATA,
        "--seed", str(SEED), "--iterations", str(iterations),
    )  # fmt: skip
    return time.time() - begin, result


def main() -> None:
    """Time all in turn and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--cases", choices=CASES, nargs="+", default=[*CASES])
    arguments = parser.parse_args()
    for name, delay, schemes in (CASES[case] for case in arguments.cases):
        ratios: dict[tuple[str, int], list[float]] = {scheme: [] for scheme in schemes}
        ideal = {}
        for _ in range(arguments.repeats):
            seconds, loss = loop(arguments.iterations, delay)
            for scheme in schemes:
                mine, result = ours(arguments.iterations, delay, *scheme)
                assert isclose(result["loss"], loss, rel_tol=1e-3), (result["loss"], loss)
                ratios[scheme].append(mine / seconds)
                ideal[scheme] = result["expected_completion_time"]
        for (scheme, load), values in ratios.items():
            theory = ideal[scheme, load] / ideal["uncoded", 1]
            state(f"{name}: {scheme} r = {load} / Allreduce", values)
            print(f"  an iteration, in theory: {theory:.3f}")


if __name__ == "__main__":
    main()
