"""Who runs in a run folder, as the folder itself says: ``owner.json``."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from socket import gethostname

from coded_dgd.host.process import boot_id, pid_namespace, started
from coded_dgd.kinds import misfit

OWNER = "owner.json"
LENGTH = 1024
"""Bytes of the file: it is rewritten in place, which a full disk does not prevent."""


@dataclass(frozen=True)
class Owner:
    """The process that runs, or has run, in a folder."""

    host: str
    pid: int
    started: int
    """When the process was started, in clock ticks since the boot of its host; 0 if unknown."""
    boot: str
    """Tells this boot of the host from all others."""
    namespace: str
    """In which the process has this number: containers have their own."""
    since: str
    """When the run began or was resumed, by the clock of the host."""
    folder: int
    """Inode of the folder: a copy of the folder has another one, and no owner."""
    token: str
    """Tells this run from all others."""
    beat: int = 0
    """Counts up while the run goes on."""
    ended: bool = False

    @classmethod
    def me(cls, folder: Path) -> Owner:
        """Return this process as the owner of a folder."""
        return cls(
            host=gethostname(),
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
        """Return what the folder says; None if that makes no sense.

        Raises
        ------
        OSError
            If it cannot be read.
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
        """Return who runs in a folder; None if nobody does, as far as it says."""
        try:
            owner = cls.load(folder)
            if owner and not owner.ended and owner.folder == folder.stat().st_ino:
                return owner
        except OSError:
            pass
        return None

    def write(self, file: int, sync: bool = True) -> None:
        """Write this into an open file; with `sync` it is seen on other hosts from then on."""
        os.pwrite(file, json.dumps(asdict(self)).encode().ljust(LENGTH - 1) + b"\n", 0)
        if sync:
            os.fsync(file)

    @property
    def is_here(self) -> bool:
        """Whether its process is one that can be seen from this one."""
        return (self.boot, self.namespace) == (boot_id(), pid_namespace())

    @property
    def lives(self) -> bool:
        """Whether its process is there, where that can be seen from here."""
        found = started(self.pid)
        return found is not None and self.started in (0, found)

    def next(self) -> Owner:
        """Return the same, one beat later."""
        return replace(self, beat=self.beat + 1)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"
