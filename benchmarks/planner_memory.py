"""Memory that is predicted before a run, against the peaks that the ranks measure.

python benchmarks/planner_memory.py [--ranks 9] [--data FILE] [options of run]

By default on 200,000 x 500 synthetic data, and on a sparse file of the size of a9a (32,561 x 123,
14 entries per row).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import run_json

CASES = (
    ("uncoded", None), ("uc-mmc", 5), ("lcc-mmc", 3), ("lcc-mmc", 5), ("mds-mmc", 4), ("sgc", None)
)  # fmt: skip


def sparse_file(folder: Path) -> Path:
    """Write data of the size of a9a."""
    rng = np.random.default_rng(0)
    path = folder / "sparse.svm"
    with path.open("w") as file:
        for _ in range(32561):
            columns = np.sort(rng.choice(122, 14, replace=False)) + 1
            entries = " ".join(f"{column}:1" for column in columns)
            file.write(f"{rng.choice([-1, 1])} {entries} 123:{rng.integers(2)}\n")
    return path


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=9)
    parser.add_argument("--data")
    arguments, options = parser.parse_known_args()
    print("| data | scheme | r | worker predicted MB | measured | off | rank 0 | measured | off |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        small = str(sparse_file(Path(scratch)))
        for data in (
            [arguments.data] if arguments.data else ["synthetic:rows=200000,features=500", small]
        ):
            for name, load in CASES:
                chosen = [] if load is None else ["--load", str(load)]
                run = run_json(
                    arguments.ranks, "--scheme", name, *chosen, "--data", data, "--delay", "none",
                    "--iterations", "3", "--step-size", "1e-9", *options,
                )  # fmt: skip
                predicted, measured = run["memory"]["predicted"], run["memory"]["measured"]
                columns = " | ".join(
                    f"{predicted[rank] / 1e6:.0f} | {measured[rank] / 1e6:.0f} | "
                    f"{predicted[rank] / measured[rank] - 1:+.1%}"
                    for rank in ("worker", "master")
                )
                print(f"| {Path(data).name} | `{name}` | {run['load']} | {columns} |", flush=True)


if __name__ == "__main__":
    main()
