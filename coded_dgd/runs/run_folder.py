"""This module writes the run folder, which holds everything about a run.

A run folder is never overwritten.

``config.toml``       the configuration; ``coded-dgd run --config`` runs it again
``iterations.jsonl``  one JSON object per iteration
``arrivals.npz``      arrival time of each message; ``--delay trace:`` replays it
                      (``arrivals-2.npz``, ... for the next stages)
``ideal.npy``         ideal completion time of each iteration, if delays are injected
``model.npz``, ``model.json``  the model (`problems.model`)
``beta.npy``          its parameters alone, of shape (p,)
``checkpoint-*.ckpt``  the latest two checkpoints; ``--resume`` continues from them
``owner.json``        the process that runs, or was the last to run, in the folder
``log.txt``           failures: lost workers, with their tracebacks; why the run has stopped
``summary.json``      the object of ``--json``; before it exists, ``arrivals-*.f8`` and
                      ``plan-*.npz`` hold the content of ``arrivals.npz``
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
from coded_dgd.config_file import to_toml
from coded_dgd.delays.base import DelayModel
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
from coded_dgd.problems.model import Model
from coded_dgd.runs.folder import new_folder, remove_folder
from coded_dgd.runs.log_file import ENDED, LOG, RESUMED, STOPPED, written
from coded_dgd.runs.run_lock import RunLock
from coded_dgd.runs.summary import Summary

CONFIG, ITERATIONS, SUMMARY = "config.toml", "iterations.jsonl", "summary.json"
IDEAL = "ideal.npy"


class RunFolder(Observer):
    """A run folder at `path` is filled while the run continues.

    It is a context manager that releases `lock` at its end. If an error comes before anything is
    recorded, it also removes the folder.
    """

    def __init__(self, path: Path, lock: RunLock, mode: str, empty: bool) -> None:
        self.path = path
        self._lock = lock
        self._iterations = _open_iterations(path, mode)
        self._empty = empty

    @classmethod
    def create(cls, path: Path | None, setup: Setup) -> RunFolder:
        """Make the folder, or a new one below ``runs`` if `path` is None.

        Raises
        ------
        UsageError
            If the folder exists, or cannot be made.
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
        """Reopen a folder after a checkpoint, or at the beginning, and remove all later records.

        If it is interrupted, it can be called again.

        Parameters
        ----------
        lock : RunLock
            Lock of the folder.

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
            with suppress(OSError):  # a full disk is reported already
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
        """Force the records that are written so far onto the disk."""
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
        """Write a warning into the log."""
        self._empty = False
        self._lock.check()
        with writing(self.path / LOG), (self.path / LOG).open("a", encoding="utf-8") as log:
            log.write(written(line, details))

    def finish(self, outcome: Outcome, model: Model, summary: Summary) -> None:
        """Write the results, each file atomically, and the summary last."""
        self._lock.check()
        with replacing(self.path / "beta.npy") as file:
            np.save(file, model.parameters)
        model.write(self.path)
        if outcome.ideal is not None:
            with replacing(self.path / IDEAL) as file:
                np.save(file, outcome.ideal)
        for stage, arrival in zip(outcome.stages, outcome.arrivals, strict=True):
            number = stage.number
            name = "arrivals.npz" if number == 1 else f"arrivals-{number}.npz"
            with replacing(self.path / name) as file:
                np.savez(file, **recording(stage, arrival, outcome.setup.delay))
            stage.master.log.close()
        with replacing(self.path / SUMMARY) as file:
            file.write(json.dumps(summary.to_json(), indent=1).encode() + b"\n")
        with writing(self.path):
            for stage in outcome.stages:
                (self.path / f"arrivals-{stage.number}.f8").unlink(missing_ok=True)
                (self.path / PLANS.format(stage.number)).unlink(missing_ok=True)


def _write_config(path: Path, config: RunConfig, started_in: Path | None) -> None:
    """Write the configuration and the folder in which the run was started, or the current one."""
    options = origin.relative(asdict(config), started_in)
    with replacing(path / CONFIG) as file:
        file.write((origin.header(started_in) + to_toml(RunConfig(**options))).encode())


def _cut_back(path: Path, done: int, stages: int) -> None:
    """Remove the records that come after `done` iterations and `stages` ended stages."""
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
    """Return the stage to which a file belongs: ``arrivals.npz`` to 1, ``arrivals-2.npz`` to 2."""
    number = file.stem.partition("-")[2]
    return int(number) if number.isdecimal() else 1


def _unpack(arrivals: Path) -> None:
    """Convert the arrivals of the first stage into the file to which arrivals are appended."""
    growing = arrivals.with_name("arrivals-1.f8")
    if arrivals == growing:
        return
    if not growing.exists():
        try:
            with np.load(arrivals, allow_pickle=False) as archive:
                recorded = archive["arrival"].astype(np.float64)
        except Exception:  # numpy and zipfile raise many types if it is damaged
            recorded = np.empty(0)
        with replacing(growing) as file:
            file.write(recorded.tobytes())
    arrivals.unlink()


def _open_iterations(path: Path, mode: str) -> TextIO:
    """Open the records of iterations, line-buffered so that other processes see each at once."""
    with writing(path / ITERATIONS):
        return (path / ITERATIONS).open(mode, buffering=1, encoding="utf-8")  # type: ignore[return-value]


def recording(stage: Stage, arrival: Floats, delay: DelayModel) -> dict[str, Any]:
    """Return the content of ``arrivals.npz``.

    ``arrival`` : (iterations, M, J), arrival times in seconds after beta_t left, nan for no
    arrival;
    ``tasks_done`` : (M, J), number of tasks done when the message leaves, 0 if there is no message;
    ``dynamic`` : whether workers do their tasks in another order, so that ``tasks_done`` counts
    the messages in the order of arrival;
    ``unit`` : size of a task in tasks of the delay model; ``share`` : in M-ths of all data;
    ``ranks`` : (M,), ranks of the workers at the end of the stage.
    """
    ranks = np.array(stage.master.group.members) + 1
    return {
        "arrival": arrival,
        "tasks_done": stage.tasks_done,
        "dynamic": stage.scheme.dynamic,
        "unit": stage.scheme.work_under(delay)[0],
        "share": stage.scheme.workers / stage.scheme.blocks,
        "ranks": ranks,
    }


def is_run_folder(path: Path) -> bool:
    """Return whether the folder is a run folder."""
    try:
        return (path / CONFIG).is_file() and (path / ITERATIONS).is_file()
    except (OSError, ValueError):  # not a valid path
        return False


def finished(path: Path) -> bool:
    """Return whether the run has written its summary, which is its last file."""
    try:
        return isinstance(json.loads((path / SUMMARY).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False


def read_log(path: Path, iterations: int) -> list[Iteration] | None:
    """Return the records of the first iterations of a run folder, or None if any is missing."""
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
        If the line is not a record of an iteration.
    """
    try:
        values = json.loads(line)
        if misfit(values, Iteration) is None:
            return Iteration(**values)
    except (TypeError, AttributeError, RecursionError):
        pass
    raise ValueError("this is no record of an iteration")
