"""Bytes that workers and master will need at their peak."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path
from typing import NamedTuple

from coded_dgd.planner.costs import Sizes, block_rows, blocks_are_rows
from coded_dgd.problems.partition import DATA_IN_FLIGHT, WINDOW
from coded_dgd.problems.problem import OPTIMUM_FLOPS, Problem, optimum_flops
from coded_dgd.problems.sources.base import WINDOW_BYTES
from coded_dgd.schemes.base import Scheme

WORKER = 40e6
"""An interpreter with numpy, mpi4py and an MPI: what a worker takes that holds no data."""
MASTER = 70e6
"""The same of rank 0, with the command line and scipy."""
FACTORISING = 6
"""Windows of data that computing the optimum by QR takes."""


class Peaks(NamedTuple):
    """Bytes on the worker that takes most, and on rank 0."""

    worker: float
    master: float


def peaks(scheme: Scheme, problem: Problem, data: float) -> Peaks:
    """Predict a run with a scheme that fits the problem.

    Parameters
    ----------
    data : float
        Bytes that the opened data take.
    """
    source = problem.source
    sizes = Sizes(
        source.rows, source.features, source.rows, inf, quadratic=problem.objective.degree == 2
    )
    return Peaks(worker(scheme, sizes), master(scheme, sizes, data))


def worker(scheme: Scheme, sizes: Sizes) -> float:
    """Peak of the worker that holds most: its blocks, and the piece that is coming in."""
    rows = _most_tasks(scheme) * block_rows(scheme, sizes)
    coming = _most_tasks(scheme) * _rows_at_once(scheme, sizes)
    return WORKER + 8 * (rows + coming) * (sizes.features + (not scheme.coded))


def master(scheme: Scheme, sizes: Sizes, data: float) -> float:
    """Peak of rank 0: the data, and what it does with them that takes most.

    Parameters
    ----------
    data : float
        Bytes that the opened data take.
    """
    width = 8.0 * (sizes.features + 1)
    window = min(WINDOW_BYTES, sizes.rows * width)
    reading = 2 * window  # the next is read while the last is still there
    if sizes.quadratic and optimum_flops(sizes.rows, sizes.features) <= OPTIMUM_FLOPS:
        reading = FACTORISING * window
    at_once, height = _rows_at_once(scheme, sizes), block_rows(scheme, sizes)
    blocks = (sizes.features if scheme.gram else sizes.rows) / height
    piece = _most_tasks(scheme) * at_once * width
    pieces = sum(scheme.tasks(w) for w in range(scheme.workers)) * at_once * width
    handing = blocks * at_once * width + min(DATA_IN_FLIGHT + piece, pieces)
    kept = 8.0 * int(scheme.expected.sum()) * scheme.payload(sizes.features)
    if scheme.gram:
        kept += 2 * 8.0 * sizes.features**2
    return MASTER + data + max(reading, handing) + kept


def _most_tasks(scheme: Scheme) -> int:
    return max(scheme.tasks(worker) for worker in range(scheme.workers))


def resident() -> float:
    """Bytes that this process has in memory now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return 0.0


def _rows_at_once(scheme: Scheme, sizes: Sizes) -> float:
    """Rows of every block that are handed out together: all, where blocks are rows."""
    height = block_rows(scheme, sizes)
    if blocks_are_rows(scheme, sizes):
        return height
    blocks = (sizes.features if scheme.gram else sizes.rows) / height
    return min(height, max(1.0, WINDOW / (8 * blocks * (sizes.features + 1))))
