"""This module lets only one process at a time run in a run folder, even across hosts.

The owner holds a lock of the operating system on ``owner.json``. The lock ends with the owner's
process, however that ends. The owner also rewrites the file every `BEAT_SECONDS` as a heartbeat.
On the host of the owner the lock decides; on a file system without locks the existence of the
process decides. Another host may not see the lock, or may see a lock of a host that has failed.
For such a host the owner is alive as long as the file changes. If the file has not changed for
`DEAD_SECONDS`, for example because the owner was suspended, another process may take over. The
old owner finds that out before it writes anything more, and ends.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from coded_dgd.errors import CodedDGDError, Interrupted, UsageError
from coded_dgd.files import writing
from coded_dgd.host.interrupts import Interruptible, Waiting
from coded_dgd.runs.owner import OWNER, Owner

BEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""Time in seconds without a heartbeat after which the owner checks its ownership before it writes.
"""
DEAD_SECONDS = 60.0
"""Time in seconds without a heartbeat after which an owner on another host counts as dead."""
SETTLE_SECONDS = 1.0
"""Time in seconds after which, without a decisive lock, the last process to write is the owner."""
POLL_SECONDS = 0.25

_held: set[str] = set()
"""Tokens that this process owns now; other tokens have ended even if their end was not written."""


class RunLock:
    """A run lock is the right to write into a run folder, until `release` is called.

    Parameters
    ----------
    folder : Path
    file : int
        Descriptor of ``owner.json``, open and, if there are locks, locked.
    owner : Owner
        Owner that the file names.
    """

    def __init__(self, folder: Path, file: int, owner: Owner) -> None:
        self.folder = folder
        self._place = folder.absolute()  # valid even if the working directory changes
        self._file, self._owner = file, owner
        _held.add(owner.token)
        self._lost = ""
        self._beaten = _now()
        self._ended = threading.Event()
        self._one = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    @classmethod
    def create(cls, folder: Path) -> RunLock:
        """Own a folder that this process has just made and that no other process knows yet."""
        with writing(folder / OWNER):
            file = _open(folder)
            owner = Owner.me(folder)
            owner.write(file, sync=False)
        _lock(file)
        return cls(folder, file, owner)

    @classmethod
    def acquire(
        cls,
        folder: Path,
        wait: bool = False,
        say: Callable[[str], None] = lambda _: None,
        waiting: Interruptible | None = None,
    ) -> RunLock:
        """Own a folder as soon as it has no other owner.

        Parameters
        ----------
        wait : bool
            Whether to wait for the end of a run that continues in the folder.
        say : callable
            Called with a line that says what is waited for.
        waiting : Interruptible, optional
            Object that says whether to give up.

        Raises
        ------
        UsageError
            If a run continues in the folder and `wait` is false, or the file cannot be written.
        Interrupted
            If `waiting` was interrupted.
        StorageError
            If the disk is full or fails.
        """
        with writing(folder / OWNER, "make the run folder writable, or go on in a copy of it"):
            file = _open(folder)
            try:
                return cls(folder, file, _claim(folder, file, wait, say, waiting or Waiting()))
            except BaseException:
                os.close(file)
                raise

    def check(self, look: bool = False) -> None:
        """Make sure that this process still is the owner; call it before writing.

        Parameters
        ----------
        look : bool
            Whether to read the file in any case, not only if the last heartbeat was long ago.

        Raises
        ------
        CodedDGDError
            If this process is no longer the owner.
        """
        if look or _now() - self._beaten > LEASE_SECONDS:
            self._renew()
        if self._lost:
            raise CodedDGDError(self._lost)

    def release(self) -> None:
        """Release the folder to other processes; calling it again has no effect."""
        self._ended.set()
        self._thread.join(BEAT_SECONDS)
        with self._one:
            if self._file < 0:
                return
            _held.discard(self._owner.token)
            with suppress(OSError):
                if not self._lost:
                    replace(self._owner, ended=True).write(self._file, sync=False)
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)  # a child process may have the file open
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _beat(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # left to the run
        wait = SETTLE_SECONDS
        while not self._ended.wait(wait):
            self._renew()
            wait = BEAT_SECONDS

    def _renew(self) -> None:
        """Write a heartbeat if this process still is the owner."""
        with self._one, suppress(OSError):  # the run itself reports a full disk
            if self._file < 0 or self._lost:
                return
            now = _now()
            try:
                found = Owner.load(self._place)
            except FileNotFoundError:
                self._lost = (
                    f"{self.folder} cannot be written (it was removed or moved while the run went "
                    "on): --resume it where it is now, or start the run again"
                )
                return
            if found and found.token != self._owner.token:
                self._lost = (
                    f"{self.folder}: this run was not heard of for more than {DEAD_SECONDS:.0f} s, "
                    f"and {found} has gone on with it: leave it to that one"
                )
                return
            self._owner = self._owner.next()
            self._owner.write(self._file)
            self._beaten = now


def _claim(
    folder: Path,
    file: int,
    wait: bool,
    say: Callable[[str], None],
    waiting: Interruptible,
) -> Owner:
    """Wait until this process is the owner; see `RunLock.acquire`."""
    locked: bool | None = None
    seen = Owner.read(folder)
    heard, changed, told = _now(), False, False
    if seen and not seen.is_here and not _on_own_disk(file):
        say(f"looks for a sign of life of {seen}, for at most {DEAD_SECONDS:.0f} s")
    while True:
        if not locked:
            locked = _lock(file)
        owner = Owner.read(folder)
        if owner != seen:
            seen, heard, changed = owner, _now(), True
        if waiting.interrupted:
            raise Interrupted(f"stopped before the run in {folder} could go on: start it again")
        lives = _lives(owner, locked, _on_own_disk(file), changed, _now() - heard)
        if lives is False:
            certain = locked is True and (owner is None or owner.is_here or _on_own_disk(file))
            if mine := _write(folder, file, certain):
                return mine
            continue
        if lives and not wait:
            raise UsageError(
                f"--resume {folder}: this run still goes on, as {owner or 'another process'}: let "
                "it end or stop it, or wait for its end with --wait-for-run"
            )
        if lives and not told:
            told = True
            say(f"waits for the end of the run in {folder}: {owner or 'another process'}")
        time.sleep(POLL_SECONDS)


def _lives(
    owner: Owner | None, locked: bool | None, own_disk: bool, changed: bool, silent: float
) -> bool | None:
    """Return whether a run continues, or None as long as that is not known.

    Parameters
    ----------
    owner : Owner or None
        Owner that the folder names.
    locked : bool or None
        Whether this process holds the lock; None if there are no locks.
    own_disk : bool
        Whether this host sees all locks of the file.
    changed : bool
        Whether the file has changed since it was first read.
    silent : float
        Seconds since the last change of the file.
    """
    if owner is None:
        if locked is False and silent < 2 * SETTLE_SECONDS:
            return None  # the new owner is about to write its name
        return locked is False
    if owner.is_here:
        over = owner.pid == os.getpid() and owner.token not in _held
        if over or (owner.started and not owner.lives):  # a child may hold the lock
            return None if locked is False and silent < DEAD_SECONDS else False
        return locked is False or (owner.lives and (owner.started > 0 or locked is None))
    if own_disk and locked is not None:  # of another container, or from before a reboot
        return not locked
    if silent >= DEAD_SECONDS:
        return False
    return True if changed else None


def _write(folder: Path, file: int, certain: bool) -> Owner | None:
    """Write this process as the owner; return None if another process was faster.

    Parameters
    ----------
    certain : bool
        Whether no other process can do the same now.
    """
    mine = Owner.me(folder)
    mine.write(file, sync=not certain)
    if not certain:
        time.sleep(SETTLE_SECONDS)
        found = Owner.read(folder)
        if found is None or found.token != mine.token:
            return None
    return mine


def _open(folder: Path) -> int:
    return os.open(folder / OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _on_own_disk(file: int) -> bool:
    """Return whether a file is on a disk of this host, where no other host can lock it."""
    return os.major(os.fstat(file).st_dev) > 0


def _lock(file: int) -> bool | None:
    """Try to lock the file; return None if the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _now() -> float:
    """Return a time in seconds; if possible it advances while the machine is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
