"""X^T (X beta): both products of a piece of X at a time, against one after the other of all of X.

python benchmarks/kernel.py [--megabytes 200] [--features 50 1000] [--repeats 9] [--dtype float32]

In brackets what nothing can exceed that reads X from memory once: the first product alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from statistics import median
from time import process_time

import numpy as np
from common import state

from coded_dgd.problems.objectives import create
from coded_dgd.problems.objectives.base import rows_at_once

FEATURES = (20, 50, 100, 500, 1000, 5000, 10_000, 50_000)


def main() -> None:
    """Time both alternately and print the median ratio for tasks of several shapes and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[0.1, 1, 4, 16, 200])
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    arguments = parser.parse_args()
    columns = arguments.features
    print(f"| MB | {' | '.join(f'l = {features}' for features in columns)} |")
    print(f"|{'---|' * (len(columns) + 1)}")
    every: dict[str, list[float]] = {}
    for size in arguments.megabytes:
        numbers = int(size * 2**20) // np.dtype(arguments.dtype).itemsize
        cells = []
        for features in columns:
            if not (rows := numbers // features):
                cells.append("")
                continue
            ratios, limits = measure(rows, features, arguments.repeats, arguments.dtype)
            every[f"{size:g} MB, l = {features}: plain products / ours"] = ratios
            itemsize = np.dtype(arguments.dtype).itemsize
            whole = "" if rows_at_once(rows, features, itemsize) < rows else ", whole"
            cells.append(f"{median(ratios):.2f} ({median(limits):.2f}{whole})")
        print(f"| {size:g} | {' | '.join(cells)} |", flush=True)
    for name, ratios in every.items():
        state(name, ratios)


def measure(rows: int, features: int, repeats: int, dtype: str) -> tuple[list[float], list[float]]:
    """Return the time of the plain products / ours, and / reading once."""
    dice = np.random.default_rng(0)
    X = dice.standard_normal((rows, features)).astype(dtype)
    beta = dice.standard_normal(features).astype(dtype)
    objective = create("least-squares")
    turns = max(1, 2**22 // X.size)  # several at once where one is too short to time
    ratios, limits = [], []
    for _ in range(repeats):
        begin = process_time()
        for _ in range(turns):
            (X @ beta) @ X
        between = process_time()
        for _ in range(turns):
            objective.gradient(X, None, beta, None)
        after = process_time()
        for _ in range(turns):
            X @ beta
        ratios.append((between - begin) / (after - between))
        limits.append((between - begin) / (process_time() - after))
    return ratios, limits


if __name__ == "__main__":
    main()
