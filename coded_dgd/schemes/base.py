"""What a scheme is: a linear code over partial gradients, and nothing else.

Symbols, as in the papers
-------------------------
M
    workers, numbered 0..M-1 here (rank = worker + 1).
N
    data blocks; X_i is block i, of shape (block rows, l).
r
    computation load: tasks per worker. A task is one partial gradient of one (coded) block.
J
    messages per worker and iteration, at most r; message j leaves after task ``ends[j] - 1``
    and carries the sum of the tasks since the message before it.

A scheme answers four questions and nothing else in the program knows which scheme is running:
`generator` (placement), `ends` (messages), `is_decodable` with its vectorised twin
`completion_time`, and `weights`. For every decodable set ::

    sum over arrived messages m of  weights[m] * payload[m]  =  sum over blocks of their gradient

exactly (`exact`), or as an approximation that the scheme documents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coded_dgd.errors import Infeasible

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Scheme(ABC):
    """A placement of coded blocks on workers, and the decoding of their messages.

    Parameters
    ----------
    workers : int
        M >= 1.
    blocks : int
        N >= 1.
    load : int
        r, 1 <= r <= N.

    Raises
    ------
    Infeasible
        If the code does not exist for these numbers; the message names the mend.
    """

    coded: ClassVar[bool] = False
    """Whether tasks run on combinations of blocks. Then workers hold no labels, the gradient has
    to be of degree 2 in the data, and the master adds -X^T y."""

    exact: ClassVar[bool] = True
    """Whether a decoded gradient is the gradient."""

    options: ClassVar[tuple[str, ...]] = ()
    """Names of the keyword arguments that this scheme takes besides M, N and r."""

    def __init__(self, name: str, workers: int, blocks: int, load: int) -> None:
        self.name = name
        self.workers = workers
        self.blocks = blocks
        self.load = load
        if workers < 1 or blocks < 1:
            raise Infeasible(f"{name} needs at least 1 worker and 1 block")
        if not 1 <= load <= blocks:
            raise Infeasible(
                f"computation load r = {load} is out of range: "
                f"choose --load from 1 to {blocks} (N = {blocks} blocks)"
            )

    @abstractmethod
    def generator(self, worker: int) -> Floats:
        """Rows of the generator matrix that `worker` holds, one per task in the order of work.

        Returns
        -------
        (tasks, N) array
            Coefficients over the data blocks. Schemes that are not `coded` have unit rows only.
        """

    @abstractmethod
    def ends(self, worker: int) -> tuple[int, ...]:
        """Number of tasks done when each message of `worker` leaves, increasing."""

    @abstractmethod
    def is_decodable(self, arrived: Bools) -> bool:
        """Whether the messages marked in `arrived`, of shape (M, J), suffice; monotone."""

    @abstractmethod
    def completion_time(self, times: Floats) -> Floats:
        """Vectorised twin of `is_decodable`: the instant from which it holds.

        Parameters
        ----------
        times : (realisations, M, J) array
            Arrival time of each message in seconds, inf where there is none.

        Returns
        -------
        (realisations,) array
        """

    @abstractmethod
    def weights(self, arrived: Bools) -> Floats:
        """Decode weights of shape (M, J), zero where nothing has arrived.

        Only called when `is_decodable`. Not finite where floating point cannot decode.
        """

    @cached_property
    def messages(self) -> int:
        """J, the largest number of messages of a worker."""
        return max(len(self.ends(worker)) for worker in range(self.workers))

    @cached_property
    def expected(self) -> Bools:
        """Which messages exist, of shape (M, J)."""
        counts = np.array([len(self.ends(worker)) for worker in range(self.workers)])
        return np.arange(self.messages) < counts[:, None]

    def message_times(self, finish: Floats) -> Floats:
        """Turn finish times of tasks (realisations, M, r) into times of messages (..., M, J)."""
        times = np.full((*finish.shape[:-1], self.messages), np.inf)
        for worker in range(self.workers):
            ends = np.array(self.ends(worker), dtype=np.int64)
            times[..., worker, : len(ends)] = finish[..., worker, ends - 1]
        return times

    def message_scales(self, block_norms: Floats) -> Floats:
        """Expected size of each message relative to the gradient's, for the guard.

        Parameters
        ----------
        block_norms : (N,) array
            Squared Frobenius norms of the blocks.

        Returns
        -------
        (M, J) array
            s with s = sum over tasks and blocks of coefficient^2 ||X_i||_F^2 / ||X||_F^2, but not
            less than the mean over all messages. Error amplification is ``sum(abs(w) * s)``.
        """
        total = block_norms.sum() or 1.0
        scales = np.zeros((self.workers, self.messages))
        for worker in range(self.workers):
            per_task = self.generator(worker) ** 2 @ block_norms / total
            cumulated = np.concatenate([[0.0], np.cumsum(per_task)])
            boundaries = [0, *self.ends(worker)]
            scales[worker, : len(boundaries) - 1] = np.diff(cumulated[boundaries])
        expected = self.expected
        return np.where(expected, np.maximum(scales, scales[expected].mean()), 0.0)


class ThresholdScheme(Scheme):
    """A scheme that decodes from any `threshold` messages: its recovery threshold."""

    threshold: int

    def is_decodable(self, arrived: Bools) -> bool:
        return int(np.count_nonzero(arrived)) >= self.threshold

    def completion_time(self, times: Floats) -> Floats:
        flat = times.reshape(len(times), -1)
        return np.partition(flat, self.threshold - 1, axis=1)[:, self.threshold - 1]
