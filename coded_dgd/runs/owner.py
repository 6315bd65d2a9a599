"""This module reads and writes ``owner.json``, which says which process runs in a run folder."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from coded_dgd.host.process import boot_id, host_name, pid_namespace, started
from coded_dgd.kinds import misfit

OWNER = "owner.json"
LENGTH = 1024
"""Size of the file in bytes; it is rewritten in place, which works even on a full disk."""


@dataclass(frozen=True)
class Owner:
    """An owner is the process that runs, or has run, in a folder."""

    host: str
    pid: int
    started: int
    """Start time of the process, in clock ticks since its host booted; 0 if unknown."""
    boot: str
    """Identifier of this boot of the host."""
    namespace: str
    """Namespace in which `pid` is valid; each container has its own."""
    since: str
    """Time at which the run began or was resumed, by the clock of the host."""
    folder: int
    """Inode of the folder; a copy of the folder has another inode and thus no owner."""
    token: str
    """Random identifier of this run."""
    beat: int = 0
    """Number of heartbeats so far; it grows as long as the run continues."""
    ended: bool = False

    @classmethod
    def me(cls, folder: Path) -> Owner:
        """Return this process as the owner of a folder."""
        return cls(
            host=host_name(),
            pid=os.getpid(),
            started=started(os.getpid()) or 0,
            boot=boot_id(),
            namespace=pid_namespace(),
            since=datetime.now().isoformat(sep=" ", timespec="seconds"),
            folder=folder.stat().st_ino,
            token=secrets.token_hex(8),
        )

    @classmethod
    def load(cls, folder: Path) -> Owner | None:
        """Return the owner that the folder names, or None if the file is damaged.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        with (folder / OWNER).open("rb") as file:
            text = file.read(LENGTH)
        try:
            values = json.loads(text)
            return None if misfit(values, cls) is not None else cls(**values)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None

    @classmethod
    def read(cls, folder: Path) -> Owner | None:
        """Return the owner that runs in a folder, or None if the folder names no running owner."""
        try:
            owner = cls.load(folder)
            if owner and not owner.ended and owner.folder == folder.stat().st_ino:
                return owner
        except OSError:
            pass
        return None

    def write(self, file: int, sync: bool = True) -> None:
        """Write the owner into an open file; with `sync`, other hosts see it when this returns."""
        os.pwrite(file, json.dumps(asdict(self)).encode().ljust(LENGTH - 1) + b"\n", 0)
        if sync:
            os.fsync(file)

    @property
    def is_here(self) -> bool:
        """Whether this process can see the owner's process: same boot and process namespace."""
        return (self.boot, self.namespace) == (boot_id(), pid_namespace())

    @property
    def lives(self) -> bool:
        """Whether the owner's process exists; this is valid only if it can be seen from here."""
        found = started(self.pid)
        return found is not None and self.started in (0, found)

    def next(self) -> Owner:
        """Return the same owner with one more heartbeat."""
        return replace(self, beat=self.beat + 1)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"
