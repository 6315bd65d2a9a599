"""This module predicts the peak memory of workers and master."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from coded_dgd.config import RunConfig
from coded_dgd.planner.costs import Sizes, block_rows, blocks_are_rows
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.partition import DATA_IN_FLIGHT, OWN_WINDOW, WINDOW
from coded_dgd.problems.problem import OPTIMUM_FLOPS, factorised_rows, optimum_flops
from coded_dgd.problems.sharing import HostGroup, block_bytes, host_groups
from coded_dgd.problems.sources import Source
from coded_dgd.problems.sources.base import WINDOW_BYTES
from coded_dgd.problems.sparse import ENTRY_BYTES
from coded_dgd.schemes.base import Scheme

WORKER = 42e6
"""Bytes of a worker without data: an interpreter with numpy, mpi4py and an MPI."""
CONNECTION = 0.05e6
"""Bytes that each rank of the job adds to every worker."""
RANDOM = 6e6
"""Bytes of the random numbers of numpy, with which workers draw delays and mini-batches."""
SPARSE = 22e6
"""Bytes that a worker needs to compute with sparse rows."""
TAKING = 24
"""Bytes of the numbers with which rank 0 takes an entry of sparse rows."""
MASTER = 115e6
"""Bytes of rank 0 without data, with the command line and scipy."""
OF_WORKER, OF_MASTER = 4, 14
"""Number of vectors of length p on a worker, and on rank 0 besides messages and the optimizer."""
THEORY, SOLVERS = 20e6, 22e6
"""Bytes of scipy.integrate beside scipy.sparse.linalg, and of the latter, which it needs."""
FACTORISING = 6
"""Memory for computing the optimum by QR, in windows of data."""


class Peaks(NamedTuple):
    """This tuple holds peak memory in bytes, of the largest worker and of rank 0."""

    worker: float
    master: float


def peaks(
    scheme: Scheme,
    source: Source,
    objective: Objective,
    config: RunConfig,
    data: float,
    kernel: str = "products",
    sharing: Sequence[HostGroup] = (),
) -> Peaks:
    """Predict the peak memory of a run with a scheme that has been fitted to the data.

    Parameters
    ----------
    data : float
        Bytes of the opened data.
    kernel : str
        Kernel with which workers compute.
    sharing : sequence of HostGroup
        Workers with shared blocks; the memory of a shared block is divided among its users.
    """
    sizes = Sizes.of(source, objective, config)
    base = resident() - data  # of this process, which has done its other imports by now
    base += _theory(config) if base > 0 else 0.0
    held = worker(scheme, sizes, sharing, kernel, source.density)
    if config.delay != "none" or config.has_batches:
        held += RANDOM
    local = config.encode == "local"
    if local:
        held += data + _encoding(scheme, sizes)
    known = base if base > 0 else None
    density = source.density if kernel == "sparse" else None
    return Peaks(held, master(scheme, sizes, data, known, sharing, local, density))


def _theory(config: RunConfig) -> float:
    """Return the bytes of libraries that predict completion times and are not imported yet."""
    if config.delay == "none" or "scipy.integrate" in sys.modules:
        return 0.0
    return THEORY if "scipy.sparse.linalg" in sys.modules else THEORY + SOLVERS


def without_data(workers: int) -> float:
    """Return the bytes of a worker without data, in a job of `workers` workers."""
    return WORKER + CONNECTION * (workers + 1)


def worker(
    scheme: Scheme,
    sizes: Sizes,
    sharing: Sequence[HostGroup] = (),
    kernel: str = "products",
    density: float | None = None,
) -> float:
    """Return the peak of the worker that holds most: its blocks, and the incoming pieces.

    Dense rows that are kept are received where they are kept, and so only their labels count there.

    Parameters
    ----------
    kernel : str
        Kernel with which the worker computes.
    density : float, optional
        Density of sparse rows.
    """
    alone = set(range(scheme.workers)).difference(*(group.places for group in sharing))
    most = max((scheme.tasks(each) for each in alone), default=0)
    held = [(most, most), *((g.part, len(g.blocks)) for g in sharing)]
    height = block_rows(scheme, sizes)
    labels = int(not scheme.coded)
    held_block = block_bytes(kernel, height, sizes.features, labels, sizes.itemsize, density)
    kept = kernel == "products"
    row = float(sizes.itemsize * (labels if kept else sizes.features + labels))
    width = 8.0 * (sizes.features + 1)
    base = without_data(scheme.workers) + sizes.overhead
    base += 8.0 * OF_WORKER * sizes.parameters
    payload = sizes.itemsize * sizes.payload(scheme)
    if scheme.combines(payload):
        base += _most_tasks(scheme) * payload
    if kernel == "sparse" and density is not None:
        row = density * sizes.features * (sizes.itemsize + 4) + 8 + sizes.itemsize
        width = _sparse_width(sizes, density)
        base += SPARSE
    at_once = _rows_at_once(scheme, sizes, width, sharing)
    return base + max(
        blocks * held_block + min(2 * at_once, height) * coming * row for blocks, coming in held
    )


def master(
    scheme: Scheme,
    sizes: Sizes,
    data: float,
    base: float | None = None,
    sharing: Sequence[HostGroup] = (),
    local: bool = False,
    density: float | None = None,
) -> float:
    """Return the peak of rank 0: the data, and the step that needs the most memory.

    Parameters
    ----------
    data : float
        Bytes of the opened data.
    base : float, optional
        Bytes of rank 0 without data, as measured; by default they are estimated.
    local : bool
        Whether workers read the data themselves.
    density : float, optional
        Density of rows that are handed out as sparse ones; None if they are dense.
    """
    if base is None:
        base = MASTER + sizes.overhead
    width = 8.0 * (sizes.features + 1)
    window = min(WINDOW_BYTES, sizes.rows * width)
    reading = 2 * window  # the next window is read while the last one is in memory
    if sizes.quadratic and optimum_flops(sizes.rows, sizes.features) <= OPTIMUM_FLOPS:
        factorised = min(sizes.rows, factorised_rows(sizes.features)) * width
        reading = max(reading, FACTORISING * factorised)
    height = block_rows(scheme, sizes)
    if density is not None:
        width = _sparse_width(sizes, density)
    rows = _rows_at_once(scheme, sizes, width, sharing)
    at_once = rows * width
    tasks = _tasks(scheme, sharing)
    largest = max([_most_tasks(scheme), *(len(group.blocks) for group in sharing)])
    handing = _blocks(scheme, sizes) * min(2 * rows, height) * width
    if density is not None:
        handing += _blocks(scheme, sizes) * rows * TAKING * density * sizes.features
    if not local:
        handing += min(DATA_IN_FLIGHT + 2 * largest * at_once, tasks * height * width)
        handing += scheme.coded * tasks * at_once
    kept = 8.0 * _messages(scheme, sizes) * sizes.payload(scheme)
    kept += 8.0 * (OF_MASTER + sizes.vectors) * sizes.parameters
    if scheme.of_gram_matrix:
        kept += 2 * 8.0 * sizes.features**2
    return base + data + max(reading, handing) + kept


def groups(scheme: Scheme, sizes: Sizes, hosts: Sequence[str]) -> list[HostGroup]:
    """Return the workers that share blocks of dense rows, given the host of each worker."""
    if scheme.coded or not hosts or not sizes.share_blocks:
        return []
    size = block_bytes(
        "products", block_rows(scheme, sizes), sizes.features, 1, sizes.itemsize, None
    )
    held = {w: scheme.placement(w) for w in range(scheme.workers) if scheme.tasks(w)}
    return host_groups(dict(enumerate(hosts)), held, size)


def _messages(scheme: Scheme, sizes: Sizes) -> int:
    """Return how many payloads rank 0 may hold at once.

    Of a dynamic scheme it is one for each block, or for each worker if workers send sums. One or
    two more are on the way from each worker.
    """
    if scheme.combines(sizes.itemsize * sizes.payload(scheme)):
        return 2 * scheme.workers
    every = int(scheme.expected.sum())
    return min(every, scheme.blocks + 2 * scheme.workers) if scheme.dynamic else every


def _encoding(scheme: Scheme, sizes: Sizes) -> float:
    """Return the additional bytes of a worker that makes its blocks by local encoding."""
    if scheme.of_gram_matrix:
        return min(3.0 * WINDOW_BYTES, 24.0 * sizes.rows * sizes.features)
    if not scheme.coded:
        return 0.0  # rows are read into the blocks
    rows = scheme.blocks + _most_tasks(scheme)
    return min(2.0 * OWN_WINDOW, 8.0 * rows * block_rows(scheme, sizes) * (sizes.features + 1))


def _tasks(scheme: Scheme, sharing: Sequence[HostGroup] = ()) -> int:
    """Return the number of blocks that are handed out."""
    saved = sum(group.saved for group in sharing)
    return sum(scheme.tasks(worker) for worker in range(scheme.workers)) - saved


def _blocks(scheme: Scheme, sizes: Sizes) -> float:
    return (sizes.features if scheme.of_gram_matrix else sizes.rows) / block_rows(scheme, sizes)


def _most_tasks(scheme: Scheme) -> int:
    return max(scheme.tasks(worker) for worker in range(scheme.workers))


def resident() -> float:
    """Return the resident bytes of this process now; 0 if the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return 0.0


def _sparse_width(sizes: Sizes, density: float) -> float:
    """Return the bytes of a sparse row that is handed out, with its start and label."""
    return ENTRY_BYTES * density * sizes.features + 16


def _rows_at_once(
    scheme: Scheme, sizes: Sizes, width: float, sharing: Sequence[HostGroup] = ()
) -> float:
    """Return the rows of every block handed out together: all, if blocks are rows.

    Parameters
    ----------
    width : float
        Bytes of a row.
    """
    height = block_rows(scheme, sizes)
    if blocks_are_rows(scheme, sizes):
        return height
    row = _blocks(scheme, sizes) + _tasks(
        scheme, sharing
    )  # of every block, and of what becomes of them
    return min(height, max(1.0, WINDOW / (row * width)))
