"""The run folder: everything about a run, never overwritten.

``config.toml``       the configuration; ``coded-dgd run --config`` runs it again
``iterations.jsonl``  one JSON object per iteration
``arrivals.npz``      when each message arrived; ``--delay trace:`` replays it
                      (``arrivals-2.npz``, ... after a new plan)
``ideal.npy``         ideal completion time of each iteration, where delays are injected
``beta.npy``          the result
``checkpoint-*.ckpt``  the latest two checkpoints; ``--resume`` goes on from them
``owner.json``        which process runs in the folder, or was the last to
``log.txt``           what went wrong: lost workers, with their tracebacks; why the run has stopped
``summary.json``      the object of ``--json``; until it is there ``arrivals-*.f8`` and
                      ``plan-*.npz`` hold what ``arrivals.npz`` is made of
"""

from __future__ import annotations

import itertools
import json
import os
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from coded_dgd import origin
from coded_dgd.config import RunConfig
from coded_dgd.engine.adapting import RECORDS
from coded_dgd.engine.checkpoint import Checkpoint
from coded_dgd.engine.iteration import Iteration
from coded_dgd.engine.job import Outcome
from coded_dgd.engine.observer import Observer, Stop
from coded_dgd.engine.protocol import Floats
from coded_dgd.engine.setup import Setup
from coded_dgd.engine.stage import PLANS, Stage, ended_stages
from coded_dgd.errors import CodedDGDError, StorageError
from coded_dgd.files import replacing, writing
from coded_dgd.kinds import misfit
from coded_dgd.runs.folder import new_folder, remove_folder
from coded_dgd.runs.log_file import ENDED, LOG, RESUMED, STOPPED, written
from coded_dgd.runs.run_lock import RunLock
from coded_dgd.runs.summary import Summary

CONFIG, ITERATIONS, SUMMARY = "config.toml", "iterations.jsonl", "summary.json"
IDEAL = "ideal.npy"


class RunFolder(Observer):
    """A folder at `path`, to be filled while the run goes on.

    As a context manager it goes away again where an error comes before there is anything to keep,
    and lets go of `lock`.
    """

    def __init__(self, path: Path, lock: RunLock, mode: str, empty: bool) -> None:
        self.path = path
        self._lock = lock
        self._iterations = _open_iterations(path, mode)
        self._empty = empty

    @classmethod
    def create(cls, path: Path | None, setup: Setup) -> RunFolder:
        """Make the folder; a new one below ``runs`` where no path is given.

        Raises
        ------
        UsageError
            If it exists, or cannot be made.
        StorageError
            If the disk is full or fails.
        """
        path = new_folder(path, setup.scheme.name)
        with ExitStack() as undo:
            undo.callback(remove_folder, path)
            lock = undo.enter_context(RunLock.create(path))
            _write_config(path, setup.config, None)
            folder = cls(path, lock, "w", empty=True)
            undo.pop_all()
        return folder

    @classmethod
    def reopen(cls, lock: RunLock, setup: Setup, checkpoint: Checkpoint | None) -> RunFolder:
        """Go on with a folder after a checkpoint, or from the beginning; what came later goes.

        Wherever this is cut off it can be called again.

        Parameters
        ----------
        lock : RunLock
            Of the folder.

        Raises
        ------
        StorageError
            If the disk is full or fails.
        """
        path = lock.folder
        lock.check(look=True)
        done = checkpoint.iteration if checkpoint else 0
        stages = ended_stages(checkpoint, setup.scheme.workers) if checkpoint else 0
        with writing(path):
            _cut_back(path, done, stages)
        started_in = origin.of((path / CONFIG).read_text(encoding="utf-8"))
        _write_config(path, setup.config, started_in)
        folder = cls(path, lock, "a", empty=False)
        if (path / LOG).exists():
            folder.warning(f"{RESUMED} after {done} iterations")
        return folder

    def __enter__(self) -> RunFolder:
        return self

    def end(self, error: BaseException | None) -> None:
        with self._lock:
            if error is None:
                with writing(self.path / ITERATIONS):
                    self._iterations.close()
                return
            with suppress(OSError):  # where the disk is full: that is said already
                self._iterations.close()
            if not self._empty:
                if isinstance(error, StorageError) and is_run_folder(self.path):
                    error.args = (f"{error}, then --resume {self.path} goes on",)
                reason = getattr(error, "stop_reason", CodedDGDError.stop_reason)
                with suppress(CodedDGDError):
                    self.warning(f"{ENDED} {error} (stop_reason {reason})")
        if self._empty:
            remove_folder(self.path)

    def sync(self) -> None:
        """Have everything that is written so far on the disk."""
        self._lock.check()
        with writing(self.path / ITERATIONS):
            self._iterations.flush()
            os.fsync(self._iterations.fileno())

    def iteration(self, record: Iteration) -> None:
        """Write the record of an iteration."""
        self._empty = False
        self._lock.check()
        with writing(self.path / ITERATIONS):
            self._iterations.write(json.dumps(asdict(record)) + "\n")

    def stopped(self, stop: Stop) -> None:
        self.warning(f"{STOPPED} {stop}")

    def warning(self, line: str, details: str = "") -> None:
        """Write what went wrong into the log."""
        self._empty = False
        self._lock.check()
        with writing(self.path / LOG), (self.path / LOG).open("a", encoding="utf-8") as log:
            log.write(written(line, details))

    def finish(self, outcome: Outcome, summary: Summary) -> None:
        """Write the results, each file whole or not at all, the summary last."""
        self._lock.check()
        with replacing(self.path / "beta.npy") as file:
            np.save(file, outcome.beta)
        if outcome.ideal is not None:
            with replacing(self.path / IDEAL) as file:
                np.save(file, outcome.ideal)
        for stage, arrival in zip(outcome.stages, outcome.arrivals, strict=True):
            number = stage.number
            name = "arrivals.npz" if number == 1 else f"arrivals-{number}.npz"
            with replacing(self.path / name) as file:
                np.savez(file, **recording(stage, arrival))
            stage.master.log.close()
        with replacing(self.path / SUMMARY) as file:
            file.write(json.dumps(summary.to_json(), indent=1).encode() + b"\n")
        with writing(self.path):
            for stage in outcome.stages:
                (self.path / f"arrivals-{stage.number}.f8").unlink(missing_ok=True)
                (self.path / PLANS.format(stage.number)).unlink(missing_ok=True)


def _write_config(path: Path, config: RunConfig, started_in: Path | None) -> None:
    """Write the configuration, with the folder in which the run was started, by default this."""
    options = origin.relative(asdict(config), started_in)
    with replacing(path / CONFIG) as file:
        file.write((origin.header(started_in) + RunConfig(**options).to_toml()).encode())


def _cut_back(path: Path, done: int, stages: int) -> None:
    """Remove from a folder what comes after so many iterations and ended stages."""
    for result in (SUMMARY, IDEAL):
        (path / result).unlink(missing_ok=True)
    with (path / ITERATIONS).open("r+b") as file:
        for _ in range(done):
            file.readline()
        file.truncate(file.tell())
    for left_over in path.glob("*.tmp"):
        left_over.unlink()
    for arrivals in path.glob("arrivals*.*"):
        number = stage_number(arrivals)
        if number == 1 and not stages:
            _unpack(arrivals)
        elif number > stages:
            arrivals.unlink()
    for record in (*path.glob(PLANS.format("*")), *path.glob(RECORDS.format("*"))):
        if stage_number(record) > max(stages, 1):
            record.unlink()


def stage_number(file: Path) -> int:
    """Number of the stage that a file is of: ``arrivals.npz`` the first, ``-2.npz`` the next."""
    number = file.stem.partition("-")[2]
    return int(number) if number.isdecimal() else 1


def _unpack(arrivals: Path) -> None:
    """Turn the arrivals of the first stage into the file that the next ones are added to."""
    growing = arrivals.with_name("arrivals-1.f8")
    if arrivals == growing:
        return
    if not growing.exists():
        try:
            with np.load(arrivals, allow_pickle=False) as archive:
                recorded = archive["arrival"].astype(np.float64)
        except Exception:  # whatever numpy and zipfile raise on damage: nothing is known of them
            recorded = np.empty(0)
        with replacing(growing) as file:
            file.write(recorded.tobytes())
    arrivals.unlink()


def _open_iterations(path: Path, mode: str) -> TextIO:
    """Open the records of iterations, each to be seen from outside as soon as it is written."""
    with writing(path / ITERATIONS):
        return (path / ITERATIONS).open(mode, buffering=1, encoding="utf-8")  # type: ignore[return-value]


def recording(stage: Stage, arrival: Floats) -> dict[str, Any]:
    """What ``arrivals.npz`` holds.

    ``arrival`` : (iterations, M, J), seconds after beta_t left, nan where nothing came;
    ``tasks_done`` : (M, J), tasks that the worker has done when it sends the message, 0 for none;
    ``unit`` : what a task is in tasks of the delay model; ``ranks`` : (M,), who the workers were
    in the end.
    """
    ranks = np.array(stage.master.group.members) + 1
    unit = float(stage.scheme.work[0])
    return {"arrival": arrival, "tasks_done": stage.tasks_done, "unit": unit, "ranks": ranks}


def is_run_folder(path: Path) -> bool:
    """Whether there is a run in the folder."""
    try:
        return (path / CONFIG).is_file() and (path / ITERATIONS).is_file()
    except (OSError, ValueError):  # no path at all
        return False


def finished(path: Path) -> bool:
    """Whether all that a run writes at its end is there."""
    try:
        return isinstance(json.loads((path / SUMMARY).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False


def read_log(path: Path, iterations: int) -> list[Iteration] | None:
    """Return the records of the first iterations of a run folder; None if they are not there."""
    try:
        with (path / ITERATIONS).open(encoding="utf-8") as file:
            lines = list(itertools.islice(file, iterations))
        log = [read_record(line) for line in lines]
    except (OSError, ValueError):
        return None
    complete = [record.iteration for record in log] == list(range(iterations))
    return log if complete else None


def read_record(line: str) -> Iteration:
    """Read a line of ``iterations.jsonl``.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        values = json.loads(line)
        if misfit(values, Iteration) is None:
            return Iteration(**values)
    except (TypeError, AttributeError, RecursionError):
        pass
    raise ValueError("this is no record of an iteration")
