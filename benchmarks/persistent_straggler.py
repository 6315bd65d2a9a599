"""One rank of five is 20 times slower: what the whole job takes, against its virtual-time ideal.

python benchmarks/persistent_straggler.py [--repeats 5]
"""

from __future__ import annotations

import argparse

from common import run_json, state

ITERATIONS = 50


def main() -> None:
    """Time both schemes several times and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for scheme, load in (("lcc-mmc", 3), ("uc-mmc", 2)):
        ratios, totals = [], []
        for _ in range(arguments.repeats):
            run = run_json(
                5, "--scheme", scheme, "--load", str(load), "--iterations", str(ITERATIONS),
                "--delay", "persistent:ranks=1,factor=20",
            )  # fmt: skip
            job = run["training_time"] + run["shutdown_time"]
            totals.append(job)
            ratios.append(job / (ITERATIONS * run["ideal_completion_time"]["mean"]))
        state(f"{scheme} r = {load}: training and shutdown", totals, " s")
        state(f"{scheme} r = {load}: training and shutdown / ideal", ratios)


if __name__ == "__main__":
    main()
