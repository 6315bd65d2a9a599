"""Whole jobs to a target, mpiexec's start to its end, against Allreduce with scipy's L-BFGS-B.

python benchmarks/time_to_accuracy.py --data a9a.svm [--optimizers lbfgs,cg] [--schemes uc-mmc]

Every job minimises until ||gradient|| is at most the target's fraction of the first, on the same
delays. A job that is not there after its limit of iterations has no time. The loop is
benchmarks/allreduce_lbfgs.py; the aim is 0.50 of its time or less, for lbfgs with uc-mmc.
"""

from __future__ import annotations

import argparse
import sys
import time
from math import inf
from pathlib import Path
from statistics import median
from typing import NamedTuple

from common import command, mpiexec, run_json

from coded_dgd.config import DEFAULT_DELAY
from coded_dgd.report.columns import line

LOOP = Path(__file__).with_name("allreduce_lbfgs.py")
COPIES = (("uc-mmc", 10), ("gc", 2), ("uncoded", 1))
CODED = (("uc-mmc", 10), ("lcc-mmc", 10), ("uncoded", 1))
COLUMNS = ("objective", "optimizer", "scheme", "r", "seconds", "gradients", "/ Allreduce")
WIDTHS = (15, 12, 12, 5, 13, 11, 13)


class Case(NamedTuple):
    """An objective and an optimizer, with the schemes and their loads, at most M, to run."""

    objective: str
    optimizer: str
    limit: int
    """Number of iterations after which the target counts as not reached."""
    schemes: tuple[tuple[str, int], ...]


CASES = (
    Case("logistic", "gd", 200, COPIES),
    Case("logistic", "nesterov", 700, COPIES),
    Case("logistic", "lbfgs", 300, COPIES),
    Case("least-squares", "cg", 300, CODED),
)


class Task(NamedTuple):
    """What all jobs have in common."""

    workers: int
    data: str
    ridge: str
    target: str
    delay: str
    seed: str

    def loop(self, objective: str) -> tuple[float, int]:
        """Run the Allreduce loop; return seconds and the number of gradients."""
        begin = time.time()
        done = command(
            mpiexec(), "-n", str(self.workers), sys.executable, str(LOOP), self.data, objective,
            self.ridge, self.target, self.delay, self.seed,
            cwd=Path.cwd(), timeout=1800, OMP_NUM_THREADS="1",
        )  # fmt: skip
        if done.code:
            raise SystemExit(f"exit code {done.code}: {done.err}")
        return time.time() - begin, done.json["gradients"]

    def ours(self, case: Case, scheme: str, load: int) -> tuple[float, int]:
        """Run a scheme; return seconds, or infinity if it misses the target, and iterations."""
        begin = time.time()
        result = run_json(
            self.workers + 1, "--data", self.data, "--objective", case.objective, "--ridge",
            self.ridge, "--stop-at", self.target, "--delay", self.delay, "--seed", self.seed,
            "--optimizer", case.optimizer, "--scheme", scheme, "--load", str(load),
            "--iterations", str(case.limit),
        )  # fmt: skip
        seconds = time.time() - begin
        return seconds if result["converged"] else inf, result["iterations"]


def main() -> None:
    """Time all jobs in turn, and print a row for each as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--workers", type=int, default=40)
    parser.add_argument("--ridge", default="1")
    parser.add_argument("--target", default="1e-4")
    parser.add_argument("--delay", default=DEFAULT_DELAY)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--optimizers", default=",".join(case.optimizer for case in CASES))
    parser.add_argument("--schemes", default="uc-mmc,gc,lcc-mmc,uncoded")
    arguments = parser.parse_args()
    chosen = arguments.optimizers.split(","), arguments.schemes.split(",")
    task = Task(*(getattr(arguments, name) for name in Task._fields))
    print(line(COLUMNS, WIDTHS), flush=True)
    loops: dict[str, float] = {}
    for case in CASES:
        if case.optimizer not in chosen[0]:
            continue
        if case.objective not in loops:
            done = [task.loop(case.objective) for _ in range(arguments.repeats)]
            loops[case.objective] = show(done, case.objective, "scipy", "Allreduce", 1)
        for scheme, largest in case.schemes:
            load = min(largest, task.workers)
            if scheme in chosen[1]:
                done = [task.ours(case, scheme, load) for _ in range(arguments.repeats)]
                names = (case.objective, case.optimizer, scheme)
                show(done, *names, load, loops[case.objective])
    print("seconds: median of whole jobs; gradients: iterations of ours, evaluations of scipy's")


def show(
    done: list[tuple[float, int]],
    objective: str,
    optimizer: str,
    scheme: str,
    load: int,
    loop: float | None = None,
) -> float:
    """Print a row of the table; return the median of the seconds."""
    seconds, gradients = median(each for each, _ in done), median(count for _, count in done)
    known = seconds < inf
    cells = [
        *(objective, optimizer, scheme, str(load)),
        f"{seconds:.1f}" if known else "not reached",
        f"{gradients:.0f}" if known else f">{gradients:.0f}",
        f"{seconds / loop:.2f}" if loop and known else "-",
    ]
    print(line(cells, WIDTHS), flush=True)
    return seconds


if __name__ == "__main__":
    main()
