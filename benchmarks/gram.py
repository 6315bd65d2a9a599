"""When forming X^T X of a block pays: iterations to break even, predicted and measured.

python benchmarks/gram.py [--repeats 7]
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
from collections.abc import Callable
from time import perf_counter

import numpy as np

from coded_dgd.engine.kernels import break_even
from coded_dgd.problems.blocks import GradientBlocks, GramBlocks, gram_forms, row_forms, zeros
from coded_dgd.problems.objectives.least_squares import LeastSquares

BLOCKS = [
    (500, 100),
    (5000, 100),
    (50_000, 100),
    (1000, 500),
    (10_000, 500),
    (1000, 1000),
    (2000, 1000),
    (20_000, 1000),
]


def main() -> None:
    """Print a row for each size of a block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print("| rows | features | forming | products | with X^T X | break-even | predicted |")
    print(f"|{'---|' * 7}")
    for height, features in BLOCKS:
        print(row(height, features, repeats), flush=True)


def row(height: int, features: int, repeats: int) -> str:
    """Times of a task, and when forming has paid for itself."""
    X = np.random.default_rng(0).standard_normal((1, height, features))
    beta = np.ones(features)
    rows = GradientBlocks(zeros(row_forms(1, height, features, None, "float64")), LeastSquares())
    rows.load(0, X, None)
    gram = GramBlocks(zeros(gram_forms(1, features, False, "float64")))
    forming = seconds(repeats, lambda: gram.load(0, X, None))
    products = seconds(repeats, lambda: rows.result(0, 1, beta, None))
    formed = seconds(repeats, lambda: gram.result(0, 1, beta, None))
    found = forming / (products - formed) if products > formed else np.inf
    times = [f"{1e3 * each:.3f} ms" for each in (forming, products, formed)]
    counts = [f"{each:.0f}" for each in (found, break_even(height, features))]
    return f"| {' | '.join([str(height), str(features), *times, *counts])} |"


def seconds(repeats: int, function: Callable[[], object]) -> float:
    """Median time; several calls at once where one is too short to time."""
    begin = perf_counter()
    function()
    turns = max(1, int(0.005 / (perf_counter() - begin)))
    times = []
    for _ in range(repeats):
        begin = perf_counter()
        for _ in range(turns):
            function()
        times.append((perf_counter() - begin) / turns)
    return statistics.median(times)


if __name__ == "__main__":
    main()
