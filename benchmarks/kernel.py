"""X^T (X beta): both products of a piece of X at a time, against one after the other of all of X.

python benchmarks/kernel.py [--megabytes 200] [--repeats 9] [--dtype float32]

In brackets what nothing can exceed that reads X from memory once: the first product alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
from time import process_time

import numpy as np

from coded_dgd.problems.objectives import create
from coded_dgd.problems.objectives.base import rows_at_once

FEATURES = (20, 50, 100, 500, 1000, 5000, 10_000, 50_000)


def main() -> None:
    """Time both alternately and print the median ratio for tasks of several shapes and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[0.1, 1, 4, 16, 200])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    arguments = parser.parse_args()
    print(f"| MB | {' | '.join(f'l = {features}' for features in FEATURES)} |")
    print(f"|{'---|' * (len(FEATURES) + 1)}")
    for size in arguments.megabytes:
        numbers = int(size * 2**20) // np.dtype(arguments.dtype).itemsize
        cells = [cell(numbers, each, arguments.repeats, arguments.dtype) for each in FEATURES]
        print(f"| {size:g} | {' | '.join(cells)} |", flush=True)


def cell(numbers: int, features: int, repeats: int, dtype: str) -> str:
    """Time of the plain products / ours, and / reading once."""
    if not (rows := numbers // features):
        return ""
    dice = np.random.default_rng(0)
    X = dice.standard_normal((rows, features)).astype(dtype)
    beta = dice.standard_normal(features).astype(dtype)
    objective = create("least-squares")
    turns = max(1, 2**22 // numbers)  # several at once where one is too short to time
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
    whole = "" if rows_at_once(rows, features, X.itemsize) < rows else ", whole"
    return f"{statistics.median(ratios):.2f} ({statistics.median(limits):.2f}{whole})"


if __name__ == "__main__":
    main()
