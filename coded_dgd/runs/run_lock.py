"""One process at a time in a run folder, also where several hosts see it.

The owner holds a lock of the operating system on ``owner.json``, which ends with its process in
whatever way that ends, and rewrites the file every `BEAT_SECONDS`. On the host of the owner the
lock decides; where a file system has no locks, whether the process is there. Other hosts may not
see a lock, or may see that of a host which has failed: for them the owner lives as long as the
file changes. An owner that was not heard of for `DEAD_SECONDS`, such as one that was suspended,
may be followed by another; it finds that out before it writes anything more, and ends.
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
"""Without a beat for so long the owner looks whether it still is the owner before it writes."""
DEAD_SECONDS = 60.0
"""Without a beat for so long an owner on another host counts as dead."""
SETTLE_SECONDS = 1.0
"""Where no lock decides, whoever wrote last when this has passed is the owner."""
POLL_SECONDS = 0.25

_held: set[str] = set()
"""Tokens of what this process owns now: where the end could not be written, it has ended still."""


class RunLock:
    """The right to write into a run folder, from `create` or `acquire` to `release`.

    Parameters
    ----------
    folder : Path
    file : int
        Descriptor of ``owner.json``, open and, if there are locks, locked.
    owner : Owner
        What is written there.
    """

    def __init__(self, folder: Path, file: int, owner: Owner) -> None:
        self.folder = folder
        self._place = folder.absolute()  # wherever the program goes
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
        """Own a folder that was made a moment ago, and of which nobody else knows."""
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
        """Own a folder, once nobody else does.

        Parameters
        ----------
        wait : bool
            Whether to wait for the end of a run that goes on in the folder.
        say : callable
            Takes a line about what is waited for.
        waiting : Interruptible, optional
            Says whether to give up.

        Raises
        ------
        UsageError
            If a run goes on in it and is not to be waited for, or the file cannot be written.
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
        """Make sure that this still is the owner, before something is written.

        Parameters
        ----------
        look : bool
            Whether to look in any case, not only where the last beat was long ago.

        Raises
        ------
        CodedDGDError
            If it is not.
        """
        if look or _now() - self._beaten > LEASE_SECONDS:
            self._renew()
        if self._lost:
            raise CodedDGDError(self._lost)

    def release(self) -> None:
        """Let others own the folder; it may be called again."""
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
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the run
        wait = SETTLE_SECONDS
        while not self._ended.wait(wait):
            self._renew()
            wait = BEAT_SECONDS

    def _renew(self) -> None:
        """Write a sign of life, if this still is the owner."""
        with self._one, suppress(OSError):  # a disk that is full fails the run itself
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
    """Return once this process is the owner; see `RunLock.acquire`."""
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
    """Whether a run goes on; None as long as that is not known.

    Parameters
    ----------
    owner : Owner or None
        As the folder says.
    locked : bool or None
        Whether this process has got the lock; None where there are no locks.
    own_disk : bool
        Whether this host sees all locks of the file.
    changed : bool
        Whether the folder has said something else before.
    silent : float
        Seconds since it has said something new.
    """
    if owner is None:
        if locked is False and silent < 2 * SETTLE_SECONDS:
            return None  # somebody is about to write who it is
        return locked is False
    if owner.is_here:
        over = owner.pid == os.getpid() and owner.token not in _held
        if over or (owner.started and not owner.lives):  # a child process of it may hold the lock
            return None if locked is False and silent < DEAD_SECONDS else False
        return locked is False or (owner.lives and (owner.started > 0 or locked is None))
    if own_disk and locked is not None:  # of another container, or from before a reboot
        return not locked
    if silent >= DEAD_SECONDS:
        return False
    return True if changed else None


def _write(folder: Path, file: int, certain: bool) -> Owner | None:
    """Write that this process is the owner; return None if another one has got ahead of it.

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
    """Whether a file is on a disk of this host: others cannot lock it, nor change it."""
    return os.major(os.fstat(file).st_dev) > 0


def _lock(file: int) -> bool | None:
    """Try to lock the file; return None where that cannot be done."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _now() -> float:
    """Seconds that also count while the machine is suspended, where there is such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
