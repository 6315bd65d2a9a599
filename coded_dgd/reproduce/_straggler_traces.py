"""This module holds the traces on which schemes are replayed.

They are draws from the law of the MMC paper, the shipped trace of a ByteDance job, which
``data/bytedance_se.md`` describes, and traces that the user gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coded_dgd import delays
from coded_dgd.delays._recorded import Recorded
from coded_dgd.delays.base import SHARE, DelayModel
from coded_dgd.errors import DataError, UsageError
from coded_dgd.schemes.base import Floats

SHIPPED = Path(__file__).with_name("data") / "bytedance_se.npy"
LAW = "shifted-exponential:mu=10,alpha=0.01"
"""Law of the MMC paper, eq. (12)."""
LAW_WORKERS = 40
"""Number of workers in Fig. 2 of the MMC paper."""
LAW_ITERATIONS = 400

WORKER_ITERATIONS = 24_000
"""Largest number of iterations, times workers, that is replayed of a trace."""
QUICK = 800
"""Largest number of iterations, times workers, that a quick computation replays."""
FEWEST = 12
"""Smallest number of iterations of a trace, which standard errors need."""
BLOCK = 50
"""Number of iterations in a block of the bootstrap, or a sixth of a trace that is short."""


@dataclass(frozen=True)
class StragglerTrace:
    """A straggler trace holds recorded iterations of some workers."""

    label: str
    delay: DelayModel
    """Delay model that replays the iterations, in which work counts by the share of all data."""
    workers: int
    """Number M of workers."""
    iterations: int
    """Number of iterations that are replayed, from the first one on."""

    @property
    def block(self) -> int:
        """Number of iterations in a block of the bootstrap."""
        return min(BLOCK, self.iterations // 6)

    def finish(self, work: Floats) -> Floats:
        """Return the finish times in seconds of tasks, of shape (iterations, M, tasks).

        Parameters
        ----------
        work : (tasks,) array
            Cumulative work at the end of each task, in shares: 1 is 1/M of all data.
        """
        return self.delay.trace(self.iterations, self.workers, work * self.delay.share)

    @property
    def most_shares(self) -> float:
        """Largest work of a worker for which there are times, in shares."""
        return self.delay.most_work / self.delay.share


def usual(seed: int, quick: bool) -> list[StragglerTrace]:
    """Return the traces that are always replayed.

    Parameters
    ----------
    seed : int
        Seed of the draws from the law.
    quick : bool
        Whether fewer iterations are replayed.
    """
    law = delays.create(LAW, seed)
    iterations = min(LAW_ITERATIONS, _count(LAW_WORKERS, quick))
    drawn = Recorded(law.trace(iterations, LAW_WORKERS, np.ones(1))[..., 0])
    drawn.per = SHARE
    return [
        StragglerTrace("papers' law", drawn, LAW_WORKERS, iterations),
        _opened("bytedance_se", SHIPPED, quick),
    ]


def given(files: Sequence[str], quick: bool) -> list[StragglerTrace]:
    """Read further traces.

    Parameters
    ----------
    files : sequence of str
        Files, as ``--delay trace:FILE`` reads them.
    quick : bool
        Whether fewer iterations are replayed.

    Raises
    ------
    CodedDGDError
        If a file is no trace, is given twice, or holds too little to compare schemes on it.
    """
    paths = [Path(file) for file in files]
    stems = [SHIPPED.stem, *(path.stem for path in paths)]
    labels = [
        path.stem if stems.count(path.stem) == 1 else f"{path.absolute().parent.name}/{path.name}"
        for path in paths
    ]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"--trace {label} is given twice: leave one of them out")
    return [_opened(label, path, quick) for label, path in zip(labels, paths, strict=True)]


def _opened(label: str, file: Path, quick: bool) -> StragglerTrace:
    trace = delays.create(f"trace:{file},per={SHARE}", 0)
    assert isinstance(trace, Recorded)
    iterations, workers = trace.times.shape[:2]
    if iterations < FEWEST or workers < 2:
        raise DataError(
            f"trace {file} has {iterations} iterations of {workers} workers: give one of at least "
            f"{FEWEST} iterations of 2 workers"
        )
    found = StragglerTrace(label, trace, workers, min(iterations, _count(workers, quick)))
    share = found.finish(np.ones(1)) if found.most_shares >= 1 else np.full(1, np.inf)
    if not ((share > 0) & np.isfinite(share)).all():
        raise DataError(
            f"trace {file}: every worker has to finish 1/M of all data in every iteration, in more "
            "than 0 seconds: give a trace without inf and 0"
        )
    return found


def _count(workers: int, quick: bool) -> int:
    return max(FEWEST, (QUICK if quick else WORKER_ITERATIONS) // workers)
