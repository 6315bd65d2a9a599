"""Computing, iterations and start-up by --kernel and --dtype, on two workers that do all of it.

python benchmarks/task_time.py [--repeats 5] [RUN OPTIONS]
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from common import run_json

RUN = ["--scheme", "uncoded", "--delay", "none", "--iterations", "60", "--step-size", "1e-6"]
DATA = ["--data", "synthetic:rows=40000,features=400"]
CASES = [
    ("products", "float64"),
    ("products", "float32"),
    ("gram", "float64"),
    ("gram", "float32"),
]


def main() -> None:
    """Run all cases in turn several times and print a row of medians for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments, options = parser.parse_known_args()
    runs: list[list[dict[str, Any]]] = [[] for _ in CASES]
    for _ in range(arguments.repeats):
        for (kernel, dtype), done in zip(CASES, runs, strict=True):
            how = ["--kernel", kernel, "--dtype", dtype]
            done.append(run_json(3, *RUN, *(options or DATA), *how))
    print("| --kernel | --dtype | computing | iteration | start-up |\n|---|---|---|---|---|")
    for case, done in zip(CASES, runs, strict=True):
        computing = statistics.median(run["compute_time"] for run in done)
        iteration = statistics.median(run["completion_time"]["p50"] for run in done)
        start = statistics.median(run["startup_time"] for run in done)
        times = f"{1e3 * computing:.2f} ms | {1e3 * iteration:.2f} ms | {start:.2f} s"
        print(f"| {' | '.join(case)} | {times} |")


if __name__ == "__main__":
    main()
