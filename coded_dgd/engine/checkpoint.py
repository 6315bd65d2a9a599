"""Checkpoints, which are written completely or not at all, and verified when they are read.

A file is one line with the format and the SHA-256 of the rest, followed by an ``.npz`` archive. It
holds the arrays and, as JSON, everything else. Its content is never executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from coded_dgd.engine.protocol import Floats
from coded_dgd.errors import DataError
from coded_dgd.files import replacing

MAGIC = b"coded_dgd checkpoint 1 sha256 "
PATTERN = "checkpoint-*.ckpt"
KEPT = 2
"""Number of checkpoints kept: if the latest is damaged, the previous one is used."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two iterations."""

    iteration: int
    """Number of iterations done."""
    values: Mapping[str, Any]
    """Plain values that JSON can represent."""
    arrays: Mapping[str, Floats]


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint into a run folder, atomically, and remove the oldest."""
    body = io.BytesIO()
    text = json.dumps({"iteration": checkpoint.iteration, "values": checkpoint.values})
    header = np.frombuffer(text.encode(), np.uint8)
    arrays: dict[str, Any] = {f"array_{k}": v for k, v in checkpoint.arrays.items()}
    np.savez(body, header=header, **arrays)
    digest = hashlib.sha256(body.getbuffer()).hexdigest().encode()
    path = folder / f"checkpoint-{checkpoint.iteration:09d}.ckpt"
    with replacing(path) as file:
        file.write(MAGIC + digest + b"\n")
        file.write(body.getbuffer())
    for old in sorted(folder.glob(PATTERN))[:-KEPT]:
        old.unlink()
    return path


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    DataError
        The file is damaged or is no checkpoint.
    """
    try:
        first, _, body = path.read_bytes().partition(b"\n")
        if not first.startswith(MAGIC):
            raise DataError(f"{path} is no checkpoint of this version")
        if hashlib.sha256(body).hexdigest().encode() != first.removeprefix(MAGIC):
            raise DataError(f"{path} is damaged: its checksum is wrong")
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        iteration = header["iteration"]
        if not isinstance(iteration, int) or iteration < 0:
            raise ValueError(iteration)
        return Checkpoint(
            iteration,
            dict(header["values"]),
            {key.removeprefix("array_"): array for key, array in arrays.items()},
        )
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise DataError(f"{path} is damaged") from None


def latest(
    folder: Path, usable: Callable[[Checkpoint], bool]
) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest usable checkpoint of a run folder, and the defects of newer ones.

    Parameters
    ----------
    usable : callable
        Returns whether an undamaged checkpoint can be used.
    """
    complaints: list[str] = []
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            checkpoint = read(path)
            if usable(checkpoint):
                return checkpoint, complaints
            complaints.append(f"{path} does not fit the other files of its run")
        except DataError as error:
            complaints.append(str(error))
    return None, complaints


class Keeper:
    """Decides when a checkpoint is due, and writes it.

    Parameters
    ----------
    folder : Path
    every : int
        Iterations between two checkpoints; 0 for no such limit.
    seconds : float
        Seconds between two checkpoints; 0 for no such limit.
    before : callable
        Called before each checkpoint, to flush everything else in the folder to the disk.
    data : mapping, optional
        Identification of the data, as plain values.
    """

    def __init__(
        self,
        folder: Path,
        every: int,
        seconds: float,
        before: Callable[[], None],
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.every, self.seconds, self.before = folder, every, seconds, before
        self._data = data
        self.time_spent = 0.0
        self._last = monotonic()
        self._kept = -1

    def due(self, iteration: int) -> bool:
        """Return whether a checkpoint is due after `iteration` iterations."""
        return bool(self.every and iteration % self.every == 0) or bool(
            self.seconds and monotonic() - self._last >= self.seconds
        )

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, unless it is already written."""
        if checkpoint.iteration == self._kept:
            return
        begin = monotonic()
        self.before()
        write(self.folder, replace(checkpoint, values={**checkpoint.values, "data": self._data}))
        self._kept, self._last = checkpoint.iteration, monotonic()
        self.time_spent += self._last - begin
