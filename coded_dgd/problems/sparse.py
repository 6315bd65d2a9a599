"""Sparse rows make up the windows of all blocks, and the blocks that a worker holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems import evaluation
from coded_dgd.problems.blocks import (
    Arrays,
    Forms,
    LabelledBlocks,
    Reals,
    labels_and_weights,
    weighted,
)
from coded_dgd.problems.objectives import LinearModel
from coded_dgd.problems.places import Places
from coded_dgd.problems.task_rows import EVERY, Numbers, TaskRows

if TYPE_CHECKING:
    from coded_dgd.problems.partition import Partition

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Entries = tuple[NDArray[Any], NDArray[Any], Floats, Floats]
"""Starts, columns and values of compressed rows, followed by the labels of the rows."""

ENTRY_BYTES = 12
"""Size in bytes of an entry that is not zero: a float64 value and an int32 column."""
LONGEST = np.iinfo(np.int32).max
"""Number of entries up to which starts of rows are int32."""


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


def entries_of_blocks(partition: Partition, starts: NDArray[Any]) -> list[int]:
    """Return the number of entries of each block of rows with these starts."""
    bounds = np.array([partition.bounds(block) for block in range(partition.blocks)])
    counts: list[int] = np.diff(starts[bounds]).ravel().tolist()
    return counts


def windows(
    partition: Partition, entries: Entries, features: int, size: int
) -> Iterator[SparseWindow]:
    """Yield windows of all blocks, each of about `size` bytes; each row is read once."""
    starts, columns, values, labels = entries
    row_bytes = 16 + ENTRY_BYTES * len(values) / partition.rows
    step = max(1, min(partition.height, int(size / (row_bytes * partition.blocks))))
    bounds = np.array([partition.bounds(block) for block in range(partition.blocks)])
    for start in range(0, partition.height, step):
        offsets = np.arange(start, min(start + step, partition.height))
        rows = bounds[:, :1] + offsets
        rows[rows >= bounds[:, 1:]] = -1
        X = _taken(starts, columns, values, rows.ravel(), partition.blocks, features)
        X = X.astype("float64", copy=False)  # the source may hold another type
        yield SparseWindow(start, X, np.where(rows >= 0, labels[rows], 0.0))


def _taken(
    starts: Any, columns: Any, values: Any, rows: Integers, blocks: int, features: int
) -> SparseRows:
    """Return some rows of a compressed matrix; a row with a negative number is empty."""
    first = np.where(rows >= 0, starts[rows], 0)
    counts = np.where(rows >= 0, starts[rows + 1] - starts[rows], 0)
    ends, entries = _entries(first, counts)
    own = columns[entries].astype(np.int32, copy=False)
    return SparseRows(ends, own, values[entries], blocks, features)


def _entries(first: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Return the starts of rows that are put one after the other, and their entries.

    Parameters
    ----------
    first, counts : (rows,) arrays
        First entry of each row where it is now, and its number of entries.
    """
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return starts, np.arange(starts[-1]) + np.repeat(first - starts[:-1], counts)


def _sums(places: NDArray[Any], values: Reals, length: int) -> Floats:
    """Return the sum of the values of each place, of shape (length,)."""
    return np.bincount(places, values, length).astype(np.float64, copy=False)


class _Part(NamedTuple):
    """A part is some rows of tasks, as scipy matrices of the rows and of their transpose.

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


def sparse_forms(entries: Sequence[int], height: int, labels: tuple[int, ...], dtype: str) -> Forms:
    """Return the forms of the arrays of sparse blocks: starts, columns, values and labels.

    Starts have shape (blocks, k + 1) and are counted from the first entry of each block.

    Parameters
    ----------
    entries : sequence of int
        Number of entries of each block.
    labels : tuple of int
        Shape of the labels of a block, see `Blocks.load`.
    """
    starts = "int32" if max(entries, default=0) <= LONGEST else "int64"
    blocks, total = len(entries), sum(entries)
    return [
        ((blocks, height + 1), starts),
        ((total,), "int32"),
        ((total,), dtype),
        ((blocks, *labels), dtype),
    ]


class SparseBlocks(LabelledBlocks):
    """On blocks of sparse rows a task is the gradient of a loss of X beta.

    Only workers that hold such blocks import scipy.sparse. Padding has no entries, so that it
    changes no product; it is left in where the objective is built in. The entries of each block
    are contiguous.

    Parameters
    ----------
    arrays : sequence of arrays
        Arrays of the forms of `sparse_forms`.
    entries : sequence of int
        Number of entries of each block.
    features : int
    objective : LinearModel
    rows : TaskRows
        Rows that take part.
    places : Places, optional
        Blocks of the tasks; by default task i has block i.
    """

    def __init__(
        self,
        arrays: Arrays,
        entries: Sequence[int],
        features: int,
        objective: LinearModel,
        rows: TaskRows,
        places: Places | None = None,
    ) -> None:
        from scipy.sparse import csr_array

        self._csr = csr_array
        self._starts, self._columns, self._values, self._labels = arrays
        self._targets = labels_and_weights(self._labels)
        self._first = np.concatenate([[0], np.cumsum(entries, dtype=np.int64)])
        """First entry of each block, and their total number."""
        self._features, self._dtype = features, self._values.dtype
        self.objective, self._rows = objective, rows
        self._places = places or Places(range(len(entries)))
        self._padding = evaluation.is_built_in(objective)
        self._parts: dict[tuple[int, int], _Part] = {}

    def load(self, start: int, X: SparseRows, y: Reals | None) -> None:
        stop = start + X.height
        window = X.starts[np.arange(X.blocks)[:, None] * X.height + np.arange(X.height + 1)]
        for block, starts in enumerate(window):
            own = self._starts[block]
            first = self._first[block] + own[start]
            into = slice(first, first + starts[-1] - starts[0])
            self._columns[into] = X.columns[starts[0] : starts[-1]]
            self._values[into] = X.values[starts[0] : starts[-1]]
            own[start + 1 : stop + 1] = own[start] + starts[1:] - starts[0]
        self._labels[..., start:stop] = y

    def result(
        self, first: int, last: int, beta: Reals, factors: Reals | None, labels: bool = True
    ) -> Reals:
        rows, counts = self._rows.numbers(first, last, self._padding)
        part = self._part(first, last, rows)
        if not part.X.shape[0]:
            return np.zeros(len(beta), self._dtype)
        margins = self.objective.margins(part.X, beta)
        slope = evaluation.slope(self.objective, margins, part.y if labels else None).T
        if factors is not None:
            slope = slope * np.repeat(factors, counts)
        if part.weights is not None:
            slope = slope * part.weights
        product = part.transposed @ slope.T.astype(self._dtype, copy=False)
        result: Reals = product.T.ravel()
        return result

    def loss(self, first: int, last: int, beta: Reals, factors: Reals | None) -> float:
        # the margins are columns, so that a model that only defines loss works
        outputs = self.objective.outputs
        losses, identity = np.zeros(last - first), np.eye(outputs, dtype=self._dtype).ravel()
        rows, counts = self._rows.numbers(first, last)
        if self._rows.chosen is None:  # otherwise a copy of all entries would cost more
            part = self._part(first, last, EVERY)
        else:
            part, rows = self._part(first, last, rows), EVERY
        assert part.y is not None
        z = self.objective.margins(part.X, beta).reshape(-1, outputs)
        places = np.cumsum(np.broadcast_to(counts, last - first))[:-1]
        every = part.weights
        weights = [None] * (last - first) if every is None else np.split(every[rows], places)
        tasks = zip(np.split(z[rows], places), np.split(part.y[rows], places), weights, strict=True)
        for place, (margins, y, own) in enumerate(tasks):
            if len(y):
                losses[place] = evaluation.loss(self.objective, margins, y, identity, own)
        return weighted(losses, factors)

    def _part(self, first: int, last: int, rows: Numbers) -> _Part:
        """Return some rows of tasks; entries of all rows of consecutive blocks are not copied."""
        blocks = self._places.of(first, last)
        if not isinstance(blocks, slice):
            return self._gathered(first, last, rows)
        key = first, last
        if key not in self._parts:
            self._parts[key] = self._viewed(blocks)
        return self._parts[key].taken(rows)

    def _viewed(self, blocks: slice) -> _Part:
        """Return a part of all rows of consecutive blocks, without copying their entries."""
        first, stop = self._first[[blocks.start, blocks.stop]]
        starts = self._starts[blocks.start]
        if blocks.stop > blocks.start + 1:
            begins = (self._first[blocks, None] - first) + self._starts[blocks, :-1]
            starts = np.append(begins, stop - first)
        columns, values = (_alone(each[first:stop]) for each in (self._columns, self._values))
        labels = (None if each is None else each[blocks].ravel() for each in self._targets)
        return self._of_arrays(starts, columns, values, *labels)

    def _gathered(self, first: int, last: int, rows: Numbers) -> _Part:
        """Return a copy of some rows of tasks, which is not kept."""
        blocks, numbers = self._places.rows(first, last, rows, self._rows.height)
        begins = self._starts[blocks, numbers].astype(np.int64)
        counts = self._starts[blocks, numbers + 1] - begins
        starts, entries = _entries(self._first[blocks] + begins, counts)
        labels = (None if each is None else each[blocks, numbers] for each in self._targets)
        return self._of_arrays(starts, self._columns[entries], self._values[entries], *labels)

    def _of_arrays(
        self, starts: NDArray[Any], columns: NDArray[Any], values: Reals, *labels: Reals | None
    ) -> _Part:
        if starts[-1] <= LONGEST:  # with starts of another type than the columns scipy copies these
            starts = starts.astype(np.int32, copy=False)
        X = self._csr((values, columns, starts), shape=(len(starts) - 1, self._features))
        return _Part(X, X.T, *labels)


def _alone(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that does not refer to the larger array of which it is a slice.

    Of slices that are less than half of an array, matrices of scipy would hold copies.
    """
    return np.frombuffer(array.data, array.dtype) if array.size else array
