"""Messages through rank 0 without delays and with tiny tasks, against a bare loop of mpi4py.

python benchmarks/message_rate.py [--repeats 5]

The bare loop (benchmarks/bare_loop.py) does the same receives and sends, and none of our
computing, checking, decoding, logging or accounting.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import command, mpiexec, run_json, state

RANKS, ITERATIONS, FEATURES = 41, 1000, 100
BARE = Path(__file__).with_name("bare_loop.py")


def main() -> None:
    """Time both in turn and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for scheme, load, needed in (("uncoded", 1, 40), ("lcc-mmc", 2, 79), ("mds-mmc", 10, 40)):
        ratios, rates = [], []
        for _ in range(arguments.repeats):
            run = run_json(
                RANKS, "--scheme", scheme, "--load", str(load), "--iterations", str(ITERATIONS),
                "--delay", "none", "--data", f"synthetic:rows=400,features={FEATURES}",
            )  # fmt: skip
            ours = run["training_time"] / ITERATIONS
            bare = float(
                command(
                    mpiexec(), "-n", str(RANKS), sys.executable, str(BARE), str(ITERATIONS),
                    str(load), str(needed), str(FEATURES), cwd=Path.cwd(),
                ).out
            )  # fmt: skip
            rates.append(needed / ours)
            ratios.append(bare / ours)
        state(f"{scheme} r = {load}: messages used per second", rates)
        state(f"{scheme} r = {load}: that / the bare loop's", ratios)


if __name__ == "__main__":
    main()
