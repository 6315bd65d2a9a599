"""A shard: the (coded) blocks that a worker holds of one code, and how to compute with them."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coded_dgd import delays, registry
from coded_dgd.engine.kinds_of_blocks import blocks, forms
from coded_dgd.engine.protocol import Assignment, Floats, Point, Reals, result_size
from coded_dgd.engine.shared_blocks import SharedBlocks
from coded_dgd.problems import evaluation, objectives
from coded_dgd.problems.batches import Batches
from coded_dgd.problems.blocks import DenseBlocks, LabelledBlocks, zeros
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.task_rows import Integers, TaskRows

if TYPE_CHECKING:
    from coded_dgd.problems.partition import Memory

ROWS_AT_ONCE = 256
"""Rows of data in one computation, between two checks for a newer point."""


class Draws(NamedTuple):
    """What is drawn at random for an iteration."""

    iteration: int
    times: Floats
    """Injected finish times of the tasks, in seconds after the point."""
    batch: list[Integers] | None
    """Rows of each task that belong to the batch; None if all rows take part."""


class Shard:
    """What a worker holds and computes for one assignment.

    Parameters
    ----------
    assignment : Assignment
    objective : Objective, optional
        By default the one that the assignment names.
    shared : SharedBlocks, optional
        The shared blocks of the host, if those of the shard are among them.
    """

    def __init__(
        self,
        assignment: Assignment,
        objective: Objective | None = None,
        shared: SharedBlocks | None = None,
    ) -> None:
        self._own: Integers | None = None
        """Places of the blocks among those that are coming, if only they are kept."""
        if assignment.shared and not shared:  # it should have created the memory, but failed
            self._own = np.array(assignment.shared.places)
            assignment = assignment.alone()
        self.assignment, self.shared = assignment, shared
        self.layout = assignment.layout
        self.dtype = np.dtype(assignment.layout.dtype)
        self.size = result_size(assignment.layout.body_length, self.dtype)
        """Size of a message."""
        self._start = self.size - assignment.layout.body_length
        self._double = self.dtype == np.float64
        self.delay = delays.create(assignment.delay, assignment.seed)
        self.work: Floats = np.arange(1, assignment.tasks + 1) * np.float64(assignment.unit)
        for folder in assignment.search:
            registry.search(folder)
        objective = objective or objectives.create(assignment.objective)
        if assignment.classes is not None:
            evaluation.learn_classes(objective, np.array(assignment.classes))
        counts = [last - first for first, last in assignment.rows or ()]
        self._rows = TaskRows(assignment.height, counts)
        self._batches = assignment.batch and Batches(*assignment.batch, assignment.seed)
        arrays = shared.arrays if shared else zeros(forms(assignment))
        self.blocks = blocks(assignment, arrays, objective, self._rows)
        # Small tasks of one message are computed together.
        rows = assignment.columns if assignment.kernel == "gram" else assignment.height
        if self._batches:
            rows = ceil(rows / self._batches.scale)
        self.tasks_at_once = max(1, ROWS_AT_ONCE // max(1, rows))
        self._factors: Reals | None = (
            None
            if assignment.coefficients is None
            else np.array(assignment.coefficients, self.dtype)
        )
        self.own = assignment.own or ()
        """Tasks with which an iteration begins, if rank 0 assigns others to the worker."""
        self.draws = self.delay.injects or self._batches is not None
        """Whether anything is drawn at random for an iteration."""
        self._drawn = Draws(-1, np.empty(0), None)
        self._labels = True

    @property
    def memory(self) -> Memory | None:
        """Memory of the rows that are coming, or None if they are not kept as they come."""
        if self._own is None and isinstance(self.blocks, DenseBlocks):
            return self.blocks.memory
        return None

    def load(self, start: int, X: Any, y: Reals | None) -> None:
        """Take rows of the blocks of the assignment, or of the shared blocks; see `Blocks.load`."""
        if self._own is None:
            self.blocks.load(start, X, y)
        else:
            self.blocks.load(start, X[self._own], None if y is None else y[self._own])

    def begin(self, point: Point) -> Reals:
        """Compute for this point from now on, and return beta in the type of the blocks."""
        self._labels = not point.product
        if self._batches:
            self._rows.chosen = self.draw(point.iteration).batch
        return point.beta if self._double else point.beta.astype(self.dtype)

    def warm_up(self) -> None:
        """Compute once with zeros, since the first call is slow and would delay an iteration."""
        self.draw(0)
        if self.assignment.tasks:
            beta: Reals = np.zeros(self.layout.parameters, self.dtype)
            self.add(self.new_message(), 0, 1, beta)

    def draw(self, iteration: int) -> Draws:
        """Return what is drawn at random for an iteration, which is kept for the next call.

        Call it ahead of the iteration, since at its start all workers compute at once.
        """
        if self._drawn.iteration != iteration:
            times = self.delay.finish_times(iteration, self.assignment.worker, self.work)
            batch = None
            if self._batches:
                batch = self._batches.chosen(iteration, self.assignment.rows or ())
            self._drawn = Draws(iteration, times, batch)
        return self._drawn

    def new_message(self) -> Reals:
        """Return a message of zeros, in memory of its own."""
        return np.zeros(self.size, self.dtype)

    def report(self, message: Reals) -> Reals:
        """Return the part of a message that reports a finished task without its result."""
        return message[: self._start]

    def sum_of(self, messages: Iterable[Reals]) -> Reals:
        """Return a message with the sum of the bodies of others.

        It is added up in float64, and rounded once to the type of the message.
        """
        message = self.new_message()
        extras, payload = self.layout.parts(message[self._start :])
        total = np.zeros(len(payload))
        for each in messages:
            further, result = self.layout.parts(each[self._start :])
            extras += further
            total += result
        payload[:] = total
        return message

    def add(self, message: Reals, first: int, last: int, beta: Reals) -> None:
        """Add the results of tasks `first`..`last` - 1, times their factors, to a message's body.

        Their extras are added, too; see `layout.EXTRAS`.
        """
        body = message[self._start :]
        factors = None if self._factors is None else self._factors[first:last]
        if self.layout.extras:
            assert isinstance(self.blocks, LabelledBlocks)
            extras, body = self.layout.parts(body)
            loss = self.blocks.loss(first, last, beta, factors)
            extras += [loss * self._batches.scale if self._batches else loss]
        result = self.blocks.result(first, last, beta, factors, self._labels)
        body += result * self._batches.scale if self._batches else result
