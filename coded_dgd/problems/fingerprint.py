"""A fingerprint distinguishes data from other data without reading all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources import Source, files

PROBED_ROWS = 16
"""Number of rows in the checksum of large data."""
SMALL_BYTES = 2**22
"""Size in bytes up to which the checksum covers all of the data."""


class Fingerprint(NamedTuple):
    """A fingerprint identifies data by plain values only."""

    rows: int
    features: int
    checksum: int
    """CRC-32 of rows of X and y, of all rows if `whole`, else of some, of weights and texts."""
    whole: bool
    size: int | None
    """Size of the data files in bytes; None if the data are not in files."""

    def __str__(self) -> str:
        size = "" if self.size is None else f", {self.size} bytes"
        return f"{self.rows} x {self.features}, rows {self.checksum:08x}{size}"

    def differences(self, before: Fingerprint) -> list[str]:
        """Return the differences of these data from those before, in words."""
        found = [
            f"{now} {what} instead of {then}"
            for what, now, then in (
                ("rows", self.rows, before.rows),
                ("features", self.features, before.features),
            )
            if now != then
        ]
        if self.checksum != before.checksum:
            found.append("other numbers")
        if self.size != before.size and not (self.whole and before.whole):
            found.append(f"a file of {self.size} bytes instead of {before.size}")
        return found


def fingerprint(source: Source, data: str) -> Fingerprint:
    """Return the fingerprint of a source: shape, checksum and size of the file.

    Parameters
    ----------
    data : str
        Text of ``--data``.
    """
    whole = 8 * source.rows * (source.features + 1) <= SMALL_BYTES
    checksum = 0
    for X, y in source.windows() if whole else _probes(source):
        checksum = crc32(y.tobytes(), crc32(X.tobytes(), checksum))
    if source.weights is not None:
        checksum = crc32(source.weights.tobytes(), checksum)
    if source.words is not None:
        checksum = crc32("\n".join(source.words).encode(), checksum)
    sizes = [path.stat().st_size for path in files(data) if path.is_file()]
    size = sum(sizes) if sizes else None
    return Fingerprint(source.rows, source.features, checksum, whole, size)


def _probes(source: Source) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for row in np.linspace(0, source.rows - 1, PROBED_ROWS).astype(int).tolist():
        yield source.read(row, row + 1)
