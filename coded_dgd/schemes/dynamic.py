"""Dynamic schemes decide on tasks while an iteration runs."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar, NoReturn

import numpy as np

from coded_dgd.errors import Infeasible
from coded_dgd.schemes._copies import first_copies
from coded_dgd.schemes.base import Bools, Floats, Integers, Learnt, ReplicationScheme
from coded_dgd.schemes.progress import BlockProgress, Later
from coded_dgd.schemes.rules import Coverage, Rule

LARGE = 1 << 16
"""Size of a payload in bytes from which workers send sums with ``combine`` = ``auto``.

A sum costs a round trip at the end of an iteration, a few milliseconds. With N = 160 blocks on 40
workers it saves 120 payloads or more, which at this size take a port of 10 Gbit/s 6 ms. MPI
libraries send smaller messages at once (the eager limit of TCP in Open MPI is 64 KiB).
"""


class DynamicScheme(ReplicationScheme):
    """In a dynamic scheme rank 0 decides while an iteration runs who computes which block.

    Worker i holds the blocks ``held(i)``. A task of the worker is a position in ``held(i)``, and
    its message is the gradient of that block. The worker begins with ``own_tasks(i)``. Rank 0 calls
    `next_task` for further ones, ahead of need, and adds them to the list of the worker. A block
    that waits in the list of another worker is dropped there, and so is a block whose gradient has
    arrived. The master decodes the sum over all blocks of one copy each. So the scheme takes any
    objective, and no error is amplified.

    Messages do not leave at fixed times, so `message_times` and `completion_time` raise
    `Infeasible`; `coded_dgd.scheduling` replays an iteration in virtual time.
    """

    dynamic: ClassVar[bool] = True

    @abstractmethod
    def next_task(self, worker: int, progress: BlockProgress) -> int | Later | None:
        """Return one more task of a worker, as a position in ``held(worker)``.

        The task must not be in the list of the worker. The method is called when the worker is
        about to be done with its list. None says that there is no task for it, and it is called
        again in the same iteration only if a worker is lost or a result cannot be used. `Later`
        says when to call it again.
        """

    def own_tasks(self, worker: int) -> Integers:
        """Return the tasks with which a worker begins, as positions in ``held(worker)``.

        By default there are none, and rank 0 sends all tasks. No block may be an own task of two
        workers.
        """
        del worker
        return np.empty(0, dtype=np.int64)

    def combines(self, payload_bytes: int) -> bool:
        return payload_bytes >= LARGE if self.combine == "auto" else self.combine == "always"

    def ends(self, worker: int) -> tuple[int, ...]:
        return tuple(range(1, self.tasks(worker) + 1))

    @cached_property
    def block(self) -> Integers:
        """Block that each message carries, of shape (M, J); N if the message does not exist."""
        block = np.full(self.expected.shape, self.blocks)
        for worker in range(self.workers):
            block[worker, : self.tasks(worker)] = self.held(worker)
        return block

    @cached_property
    def rule(self) -> Rule:
        return Coverage(self.blocks, self.block)

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        workers, messages, _ = first_copies(arrived, self.block)
        weights = np.zeros(arrived.shape)
        weights[workers, messages] = 1.0
        return weights

    def message_times(self, finish: Floats) -> NoReturn:
        raise Infeasible(
            f"{self.name} decides on tasks while an iteration runs, so that messages have no fixed "
            "times: replay the iteration with coded_dgd.scheduling.virtual.VirtualWorkers"
        )

    def completion_time(self, times: Floats) -> NoReturn:
        self.message_times(times)
