"""With local encoding a worker makes its blocks itself from data that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.codes.placement import Encoder, Placement, encode
from coded_dgd.errors import DataError
from coded_dgd.host.process import host_name
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.partition import OWN_WINDOW, Memory, Partition
from coded_dgd.problems.preparation import Preparation
from coded_dgd.problems.sources import Reading, Source, open_source

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]
Pieces = Iterator[tuple[int, Floats, Floats | None]]
"""Pieces (start, X, y) of rows `start`, ... of every block: X (tasks, k, l), y (tasks, k).

With sample weights y has shape (tasks, 2, k), see `Partition.with_weights`."""
NOTHING = Preparation()
READ_BYTES = 1 << 20
"""Number of bytes of each block that are read at once into its memory."""


@dataclass(frozen=True)
class LocalEncoding:
    """A local encoding says how a worker makes its blocks itself; it has plain values only."""

    data: str
    """Data as ``--data`` names them; a path is absolute."""
    seed: int
    """Seed of synthetic data."""
    reading: Reading
    """Options for reading a file."""
    fingerprint: str
    """Fingerprint of the data on rank 0."""
    blocks: int
    """Number N of blocks."""
    placement: tuple[int, ...] | tuple[tuple[float, ...], ...]
    """Indices of copied blocks, or rows of the generator matrix."""
    gram: bool
    """Whether the blocks are blocks of Q = X^T X."""
    labels: bool
    """Whether the blocks have labels."""
    preparation: Preparation = NOTHING
    """What is done to the data before they become blocks."""

    @classmethod
    def of(
        cls,
        data: str,
        seed: int,
        reading: Reading,
        fingerprint: str,
        blocks: int,
        placement: Placement,
        gram: bool,
        preparation: Preparation = NOTHING,
    ) -> LocalEncoding:
        """Return the local encoding of a placement; copies of blocks have labels."""
        rows = placement.tolist()
        plain = tuple(rows) if placement.ndim == 1 else tuple(map(tuple, rows))
        copied = placement.ndim == 1
        return cls(data, seed, reading, fingerprint, blocks, plain, gram, copied, preparation)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LocalEncoding:
        """Return the local encoding of plain values from JSON."""
        made = {
            "reading": Reading(**values["reading"]),
            "preparation": Preparation.from_json(values["preparation"]),
        }
        return cls(**{**values, **made})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def pieces(self, window: int = OWN_WINDOW, memory: Memory | None = None) -> Pieces:
        """Yield the blocks piece by piece, in one pass over the data.

        If blocks are copied, only the rows of these blocks are read.

        Parameters
        ----------
        window : int
            Bytes to hold at once beside the blocks.
        memory : callable, optional
            Memory of the blocks. Copied rows are read into it if its type holds every number of the
            data; X and y are then views of it.

        Raises
        ------
        DataError
            If the data cannot be read on this host, or differ from those on rank 0.
        """
        source = self._open()
        placement = np.array(self.placement)
        if self.gram:
            yield from _of_gram(source, placement, self.blocks)
        elif self.labels:
            partition, held = Partition(source.rows, self.blocks), placement.tolist()
            if memory and np.can_cast(source.dtype, memory(0, 0)[0].dtype):
                window = READ_BYTES * len(held)
            else:
                memory = None
            for start, X, y in partition.windows(source, window, held, memory):
                yield start, X, partition.with_weights(start, y, source.weights, held)
        else:
            encoder = Encoder([placement])
            for start, X, _ in Partition(source.rows, self.blocks).windows(
                source, encoder.input(window, self.blocks)
            ):
                for coded, _ in encoder.encode(X, None):
                    yield start, coded, None

    def _open(self) -> Source:
        mend = "copy the data of rank 0 to the same path there, or use --encode master"
        try:
            source = open_source(self.data, self.seed, self.reading)
            found = str(fingerprint(source, self.data))
        except DataError as error:
            raise DataError(
                f"--encode local: {self.data} cannot be used on {host_name()} ({error}): {mend}"
            ) from None
        if found != self.fingerprint:
            raise DataError(
                f"--encode local: {self.data} on {host_name()} is not what rank 0 reads "
                f"({found} instead of {self.fingerprint}): {mend}"
            )
        return self.preparation.applied(source)


def _of_gram(source: Source, placement: Floats, blocks: int) -> Pieces:
    """Yield combinations (G X^T) X of blocks of rows of Q = X^T X, without forming Q."""
    partition = Partition(source.features, blocks)
    coded = np.zeros((len(placement) * partition.height, source.features))
    for X, _ in source.windows():
        columns = np.zeros((blocks, partition.height, len(X)))
        for block in range(blocks):
            first, last = partition.bounds(block)
            columns[block, : last - first] = X[:, first:last].T
        coded += encode(placement, columns).reshape(len(coded), -1) @ X
    yield 0, coded.reshape(len(placement), partition.height, source.features), None
