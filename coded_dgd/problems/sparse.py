"""Sparse rows make up the windows of all blocks, and the blocks that a worker holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.blocks import LabelledBlocks, Reals, labels_and_weights, weighted
from coded_dgd.problems.objectives import LinearModel
from coded_dgd.problems.task_rows import EVERY, Counts, Numbers, TaskRows

if TYPE_CHECKING:
    from coded_dgd.problems.partition import Partition

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Entries = tuple[NDArray[Any], NDArray[Any], Floats, Floats]
"""Starts, columns and values of compressed rows, followed by the labels of the rows."""

ENTRY_BYTES = 12
"""Size in bytes of an entry that is not zero: a float64 value and an int32 column."""


@runtime_checkable
class CompressedRows(Protocol):
    """A source of this type can return its rows compressed, as it holds them."""

    features: int
    density: float | None

    def entries(self) -> Entries:
        """Return starts, columns and values of the rows, and the labels."""
        ...


@dataclass(frozen=True)
class SparseRows:
    """Sparse rows are the same rows of several blocks, compressed: X : (blocks, k, l).

    Parameters
    ----------
    starts : (blocks * k + 1,) array
        Row i has the entries starts[i] to starts[i + 1] - 1 of `columns` and `values`.
    columns : array of int32
    values : array
    blocks, features : int
    """

    starts: Integers
    columns: NDArray[np.int32]
    values: Reals
    blocks: int
    features: int

    @property
    def height(self) -> int:
        """Number k of rows of each block."""
        return (len(self.starts) - 1) // max(1, self.blocks)

    @property
    def size(self) -> int:
        """Number of values of the same rows if they were dense."""
        return (len(self.starts) - 1) * self.features

    @property
    def arrays(self) -> tuple[Integers, NDArray[np.int32], Reals]:
        """Arrays of the rows, in the order in which they are sent."""
        return self.starts, self.columns, self.values

    def __getitem__(self, blocks: Integers) -> SparseRows:
        """Return the blocks with these indices, which may repeat."""
        rows = (np.asarray(blocks)[:, None] * self.height + np.arange(self.height)).ravel()
        return _taken(*self.arrays, rows, len(blocks), self.features)

    def astype(self, dtype: str, copy: bool = True) -> SparseRows:
        """Return the same rows with values of another type."""
        return replace(self, values=self.values.astype(dtype, copy=copy))

    def squared_norms(self) -> Floats:
        """Return the squared Frobenius norm of each block, of shape (blocks,)."""
        of = np.repeat(np.arange(self.blocks), np.diff(self.starts[:: max(1, self.height)]))
        return _sums(of, self.values**2, self.blocks)

    def transposed_product(self, y: Floats) -> Floats:
        """Return X^T y, of shape (l,), for y : (blocks, k)."""
        weights = self.values * np.repeat(y.ravel(), np.diff(self.starts))
        return _sums(self.columns, weights, self.features)


class SparseWindow(NamedTuple):
    """A sparse window holds the same rows of every block, like `problems.partition.Window`."""

    start: int
    X: SparseRows
    y: Floats


def windows(partition: Partition, source: CompressedRows, size: int) -> Iterator[SparseWindow]:
    """Yield windows of all blocks, each of about `size` bytes; each row is read once."""
    assert source.density is not None
    row_bytes = 16 + ENTRY_BYTES * source.density * source.features
    step = max(1, min(partition.height, int(size / (row_bytes * partition.blocks))))
    bounds = np.array([partition.bounds(block) for block in range(partition.blocks)])
    starts, columns, values, labels = source.entries()
    for start in range(0, partition.height, step):
        offsets = np.arange(start, min(start + step, partition.height))
        rows = bounds[:, :1] + offsets
        rows[rows >= bounds[:, 1:]] = -1
        X = _taken(starts, columns, values, rows.ravel(), partition.blocks, source.features)
        X = X.astype("float64", copy=False)  # the source may hold another type
        yield SparseWindow(start, X, np.where(rows >= 0, labels[rows], 0.0))


def _taken(
    starts: Any, columns: Any, values: Any, rows: Integers, blocks: int, features: int
) -> SparseRows:
    """Return some rows of a compressed matrix; a row with a negative number is empty."""
    first = np.where(rows >= 0, starts[rows], 0)
    counts = np.where(rows >= 0, starts[rows + 1] - starts[rows], 0)
    ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    entries = np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts)
    own = columns[entries].astype(np.int32, copy=False)
    return SparseRows(ends, own, values[entries], blocks, features)


def _sums(places: NDArray[Any], values: Reals, length: int) -> Floats:
    """Return the sum of the values of each place, of shape (length,)."""
    return np.bincount(places, values, length).astype(np.float64, copy=False)


class _Part(NamedTuple):
    """A part holds some rows of tasks, as scipy matrices of the rows and of their transpose.

    Labels and weights have shape (rows,), or are None.
    """

    X: Any
    transposed: Any
    y: Reals | None
    weights: Reals | None

    def taken(self, rows: Numbers) -> _Part:
        """Return some of the rows."""
        if rows is EVERY:
            return self
        X = self.X[rows]
        labels = (None if each is None else each[rows] for each in (self.y, self.weights))
        return _Part(X, X.T, *labels)


class SparseBlocks(LabelledBlocks):
    """On blocks of sparse rows a task is the gradient of a loss of X beta.

    Only workers that hold such blocks import scipy.sparse. Padding has no entries, so that it
    changes no product; it is left in where the objective is built in.

    Parameters
    ----------
    rows : TaskRows
        Rows that take part.
    """

    def __init__(self, dtype: str, objective: LinearModel, rows: TaskRows) -> None:
        from scipy.sparse import csr_array

        self._csr = csr_array
        self._dtype, self.objective, self._rows = dtype, objective, rows
        self._padding = evaluation.is_built_in(objective)
        self._windows: list[tuple[SparseRows, Reals | None]] = []
        self._starts: list[int] = []
        self._parts: dict[tuple[int, int, int], _Part] = {}

    def load(self, start: int, X: SparseRows, y: Reals | None) -> None:
        self._windows.append((X, y))
        self._starts.append(start)

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        total: Reals = np.zeros(len(beta), self._dtype)
        for number in range(len(self._windows)):
            rows, counts = self._numbers(number, first, last, self._padding)
            part = self._part(number, first, last).taken(rows)
            if not part.X.shape[0]:
                continue
            margins = self.objective.margins(part.X, beta)
            slope = evaluation.slope(self.objective, margins, part.y if labels else None).T
            if factors is not None:
                slope = slope * np.repeat(factors, counts)
            if part.weights is not None:
                slope = slope * part.weights
            product = part.transposed @ slope.T.astype(self._dtype, copy=False)
            total += product.T.ravel()
        return total

    def loss(self, first: int, last: int, beta: Reals, factors: Reals | None) -> float:
        # the margins are columns, so that a model that only defines loss works
        outputs = self.objective.outputs
        losses, identity = np.zeros(last - first), np.eye(outputs, dtype=self._dtype).ravel()
        for number in range(len(self._windows)):
            part = self._part(number, first, last)
            rows, counts = self._numbers(number, first, last)
            if self._rows.chosen is not None:  # otherwise a copy of all entries would cost more
                part, rows = part.taken(rows), EVERY
            assert part.y is not None
            z = self.objective.margins(part.X, beta).reshape(-1, outputs)
            places = np.cumsum(np.broadcast_to(counts, last - first))[:-1]
            every = part.weights
            weights = [None] * (last - first) if every is None else np.split(every[rows], places)
            tasks = zip(
                np.split(z[rows], places), np.split(part.y[rows], places), weights, strict=True
            )
            for place, (margins, y, own) in enumerate(tasks):
                if len(y):
                    losses[place] += evaluation.loss(self.objective, margins, y, identity, own)
        return weighted(losses, factors)

    def _numbers(
        self, number: int, first: int, last: int, padding: bool = False
    ) -> tuple[Numbers, Counts]:
        """Return which rows of these tasks in one window take part; see `TaskRows.numbers`."""
        start, height = self._starts[number], self._windows[number][0].height
        return self._rows.numbers(first, last, start, height, padding)

    def _part(self, number: int, first: int, last: int) -> _Part:
        """Return the rows of these tasks in one window, without copying their entries."""
        key = number, first, last
        if key not in self._parts:
            rows, y = self._windows[number]
            of = slice(first * rows.height, last * rows.height)
            starts = rows.starts[of.start : of.stop + 1]
            entries = slice(starts[0], starts[-1])
            X = self._csr(
                (
                    rows.values[entries],
                    rows.columns[entries],
                    (starts - starts[0]).astype(np.int32),
                ),
                shape=(of.stop - of.start, rows.features),
            )
            labels = (
                None if each is None else each[first:last].ravel() for each in labels_and_weights(y)
            )
            self._parts[key] = _Part(X, X.T, *labels)
        return self._parts[key]
