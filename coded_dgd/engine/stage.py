"""A stage is a part of a run with one scheme on one number of workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coded_dgd.engine.checkpoint import Checkpoint
from coded_dgd.engine.master import Master
from coded_dgd.files import replacing
from coded_dgd.schemes.base import Scheme

PLANS = "plan-{}.npz"
"""Name of the file in the run folder that describes a stage while the run is unfinished."""


@dataclass
class Stage:
    """A part of a run with the same scheme on the same number of workers."""

    number: int
    """Number of the stage: 1, 2, ..."""
    first: int
    """Number of its first iteration."""
    master: Master
    handing_out: float = 0.0
    """Seconds that the distribution of the data took."""
    spans: list[float] = field(default_factory=list)
    """Seconds that each of its iterations took, counting only those of this process."""

    @property
    def seconds(self) -> float | None:
        """Mean seconds per iteration, without the first, which waits for data; None if unknown."""
        return float(np.mean(self.spans[1:])) if len(self.spans) > 1 else None

    @property
    def cost(self) -> float | None:
        """Seconds that the start of the stage took; None if unknown.

        It is the time for distributing the data plus the extra time of the first iteration.
        """
        if not self.handing_out:  # no data, or virtual time
            return 0.0
        if len(self.spans) < 2:
            return None
        return self.handing_out + max(self.spans[0] - float(np.median(self.spans[1:])), 0.0)

    @property
    def scheme(self) -> Scheme:
        return self.master.scheme

    @property
    def tasks_done(self) -> NDArray[np.int64]:
        """Number of tasks done when each message leaves, of shape (M, J); 0 for no message."""
        done = np.zeros(self.scheme.expected.shape, dtype=np.int64)
        for worker in range(self.scheme.workers):
            ends = self.scheme.ends(worker)
            done[worker, : len(ends)] = ends
        return done

    def describe(self, folder: Path) -> None:
        """Write what is needed to read the arrivals of a run that has not finished."""
        scheme, group = self.scheme, self.master.group
        with replacing(folder / PLANS.format(self.number)) as file:
            np.savez(
                file,
                number=self.number,
                first=self.first,
                scheme=scheme.name,
                workers=scheme.workers,
                blocks=scheme.blocks,
                load=scheme.load,
                tasks_done=self.tasks_done,
                dynamic=scheme.dynamic,
                ranks=np.array(group.members) + 1,
                hosts=[group.transport.host_of(peer) for peer in group.members],
            )


def ended_stages(checkpoint: Checkpoint, workers: int) -> int:
    """Return the number of completed stages before a checkpoint, for `workers` workers now."""
    values = checkpoint.values
    ended: int = values["stages"]
    return 0 if ended == 1 and values["workers"] == workers else ended
