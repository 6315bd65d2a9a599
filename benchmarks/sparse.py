"""Gradients from sparse rows against dense ones, by density: time of dense / sparse, and memory.

python benchmarks/sparse.py [--repeats 7]
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import subprocess
import sys
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import random_array

from coded_dgd.problems.blocks import GradientBlocks, row_forms, zeros
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.problems.sparse import SparseBlocks, SparseRows, sparse_forms
from coded_dgd.problems.task_rows import TaskRows

DENSITIES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5)
BLOCKS = ((250, 100), (2500, 1000), (250, 20_000), (20_000, 1000))


def main() -> None:
    """Print ratios for each size of a block, and what importing scipy.sparse takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    head = " | ".join(f"{height} x {features}" for height, features in BLOCKS)
    print(f"| density | memory | {head} | with numpy, {BLOCKS[1][0]} x {BLOCKS[1][1]} |")
    print(f"|{'---|' * (len(BLOCKS) + 3)}")
    for density in DENSITIES:
        ratios = [compare(*block, density, repeats) for block in BLOCKS]
        cells = " | ".join(f"{ratio:.2f}" for ratio, _ in ratios)
        memory = f"{8 / (12 * density):.1f}"
        print(f"| {density} | {memory} | {cells} | {ratios[1][1]:.2f} |", flush=True)
    code = "import numpy; from time import perf_counter as now; t = now(); import scipy.sparse; "
    took = [
        float(subprocess.check_output([sys.executable, "-c", f"{code} print(now() - t)"]))
        for _ in range(repeats)
    ]
    print(f"\nimporting scipy.sparse: {statistics.median(took):.3f} s")


def compare(height: int, features: int, density: float, repeats: int) -> tuple[float, float]:
    """Time of dense / sparse rows, and / what numpy alone can do, in turn."""
    X = random_array(
        (height, features), density=density, format="csr", rng=np.random.default_rng(0)
    )
    rows = SparseRows(X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data, 1, features)
    entries = [X.nnz]
    arrays = zeros(sparse_forms(entries, height, (height,), "float64"))
    sparse = SparseBlocks(arrays, entries, features, LeastSquares(), TaskRows(height))
    sparse.load(0, rows, None)
    dense = GradientBlocks(zeros(row_forms(1, height, features, None, "float64")), LeastSquares())
    dense.load(0, X.toarray()[None], None)
    beta, ratios, plain = np.ones(features), [], []
    columns, filled = rows.columns.astype(np.intp), np.flatnonzero(np.diff(rows.starts))
    sparse.result(0, 1, beta, None)
    turns = max(1, 2**20 // (height * features))
    for _ in range(repeats):
        begin = perf_counter()
        for _ in range(turns):
            dense.result(0, 1, beta, None)
        between = perf_counter()
        for _ in range(turns):
            sparse.result(0, 1, beta, None)
        after = perf_counter()
        for _ in range(turns):
            with_numpy(rows, columns, filled, beta)
        ratios.append((between - begin) / (after - between))
        plain.append((between - begin) / (perf_counter() - after))
    return statistics.median(ratios), statistics.median(plain)


def with_numpy(
    rows: SparseRows,
    columns: NDArray[np.intp],
    filled: NDArray[np.intp],
    beta: NDArray[np.float64],
) -> NDArray[np.float64]:
    """X^T (X beta) without scipy."""
    z = np.zeros(rows.height)
    z[filled] = np.add.reduceat(rows.values * beta.take(columns), rows.starts[filled])
    weights = rows.values * np.repeat(z, np.diff(rows.starts))
    return np.bincount(columns, weights, rows.features)


if __name__ == "__main__":
    main()
