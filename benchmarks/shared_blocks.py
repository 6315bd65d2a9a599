"""Memory of all workers together, and start-up, with blocks that a host's workers share or not.

python benchmarks/shared_blocks.py [--ranks 9 41] [--data DATA] [--repeats 1]
                                   [--scheme uc-mmc] [--blocks 40] [--load 10]
"""

from __future__ import annotations

import argparse
import statistics

from common import run_json


def main() -> None:
    """Print a table; each kind of run in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[9, 41])
    parser.add_argument("--data", default="synthetic:rows=100000,features=100")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--scheme", default="uc-mmc")
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--load", type=int, default=10)
    arguments = parser.parse_args()
    print("| ranks | blocks | all workers, MB | largest worker, MB | start-up, s |")
    print("|---|---|---|---|---|")
    for ranks in arguments.ranks:
        runs: dict[str, list[dict[str, float]]] = {"--share-blocks": [], "--no-share-blocks": []}
        for _ in range(arguments.repeats):
            for option, done in runs.items():
                run = run_json(
                    ranks, "--scheme", arguments.scheme, "--kernel", "products",
                    "--load", str(arguments.load), "--blocks", str(arguments.blocks),
                    "--data", arguments.data, "--delay", "none", "--iterations", "5",
                    "--step-size", "1e-7", option,
                )  # fmt: skip
                done.append(run["memory"]["measured"] | {"start": run["startup_time"]})
        for option, done in runs.items():
            together, largest, start = (
                statistics.median(each[name] for each in done)
                for name in ("workers", "worker", "start")
            )
            print(
                f"| {ranks} | `{option}` | {together / 1e6:.0f} | {largest / 1e6:.0f} | "
                f"{start:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
