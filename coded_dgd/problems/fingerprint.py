"""Telling data from others without reading all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from coded_dgd.problems.sources import Source

PROBED_ROWS = 16
"""Rows by which large data are told from other data."""
SMALL_BYTES = 2**22
"""Data of no more than so many bytes are read as a whole."""


class Fingerprint(NamedTuple):
    """What data are known by. Only plain values."""

    rows: int
    features: int
    checksum: int
    """CRC-32 of rows of X and y: of all where `whole`, else of some."""
    whole: bool
    size: int | None
    """Bytes of their file, where they are in one."""

    def __str__(self) -> str:
        size = "" if self.size is None else f", {self.size} bytes"
        return f"{self.rows} x {self.features}, rows {self.checksum:08x}{size}"

    def differences(self, before: Fingerprint) -> list[str]:
        """Return in what these data differ from those before, in words."""
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
    """Return what the data of a source are known by: shape, a checksum, the size of their file.

    Parameters
    ----------
    data : str
        As ``--data`` names them.
    """
    whole = 8 * source.rows * (source.features + 1) <= SMALL_BYTES
    checksum = 0
    for X, y in source.windows() if whole else _probes(source):
        checksum = crc32(y.tobytes(), crc32(X.tobytes(), checksum))
    path = Path(data)
    size = path.stat().st_size if path.is_file() else None
    return Fingerprint(source.rows, source.features, checksum, whole, size)


def _probes(source: Source) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for row in np.linspace(0, source.rows - 1, PROBED_ROWS).astype(int).tolist():
        yield source.read(row, row + 1)
