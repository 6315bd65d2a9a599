"""This module holds the model of a trace: recorded durations, or arrivals of an earlier run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coded_dgd.delays._recorded import Recorded
from coded_dgd.delays.base import Floats
from coded_dgd.errors import DataError, UsageError

WANTED = (
    "a run folder or its arrivals.npz, a .npy array of shape (iterations, workers) or "
    "(iterations, workers, work), or a .csv table with a row per iteration"
)
ARRIVALS = "arrivals.npz"
"""File of a run folder that has the arrivals of its first stage."""

LARGEST = 2**27
"""Maximum number of finish times of a trace (1 GB), because every worker holds all of them."""


class Trace(Recorded):
    """``trace:FILE`` replays recorded times in seconds, and starts over at the end.

    ``.npy`` of shape (iterations, workers)
        Duration of a task, shared by all tasks of the worker in the iteration.
    ``.npy`` of shape (iterations, workers, work)
        Finish time of each task after beta_t, non-decreasing.
    ``.csv``
        Durations of tasks, with a row per iteration and a column per worker.
    ``arrivals.npz`` of a run folder
        Arrival time of each message and the number of tasks done when it was sent. Tasks between
        two messages are spread evenly. A message that did not arrive in that run never arrives.
        In a dynamic scheme the s-th task of a worker ends when its s-th message arrived, and the
        tasks after its last message take as long as those before, on average.
    a run folder
        Stands for its ``arrivals.npz``, which has the first stage of the run.

    An entry of inf (nan in arrivals) is a task that never finishes. With ``per=share``, as in
    ``trace:FILE,per=share``, a duration or a finish time of an array is that of 1/M of all data.
    A run folder tells which part of the data its tasks had. A smaller task is done with the
    recorded one that it is part of.
    """

    parameters = {"file": (str, "")}
    takes_path = True

    def __init__(self, file: str, seed: int) -> None:
        del seed  # nothing is drawn
        if not file:
            raise UsageError(f"a trace needs a file, as in --delay trace:FILE: {WANTED}")
        self.path = Path(file)
        try:
            times, unit, share = self._read()
        except FileNotFoundError:
            raise DataError(f"trace {file}: there is no such file: give {WANTED}") from None
        except OSError as error:
            raise DataError(
                f"trace {file}: {error.strerror or 'it cannot be read'}: give {WANTED}"
            ) from None
        except DataError:
            raise
        except Exception:  # numpy and zipfile may raise anything on content
            raise DataError(f"trace {file} cannot be read: give {WANTED}") from None
        super().__init__(checked(f"trace {file}", times), unit)
        self.share = unit / share

    def _read(self) -> tuple[Floats, float, float]:
        """Return the times, and the size of a recorded task in tasks of the model and in shares.

        A share is 1/M of all data.
        """
        file = self._file()
        if file.suffix == ".csv":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an empty file is refused anyway
                return np.loadtxt(file, delimiter=",", ndmin=2), 1.0, 1.0
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded, 1.0, 1.0
        with loaded:
            unit = float(loaded["unit"]) if "unit" in loaded else 1.0
            share = float(loaded["share"]) if "share" in loaded else unit
            if not (0 < unit < np.inf and 0 < share < np.inf):
                raise ValueError("a task is some tasks of the model, and some shares")
            arrival, done = loaded["arrival"], loaded["tasks_done"]
            dynamic = "dynamic" in loaded and bool(loaded["dynamic"])
        times = len(arrival) * len(done) * int(done.max(initial=0))
        if times > LARGEST:
            raise DataError(
                f"trace {self.path}: the finish times of {done.max()} tasks of {len(done)} workers "
                f"in {len(arrival)} iterations do not fit in memory: give one of a shorter run"
            )
        finish = finish_times_from_arrivals(in_order(arrival) if dynamic else arrival, done)
        return extended(finish) if dynamic else finish, unit, share

    def _file(self) -> Path:
        """Return the file to read: the path, or the arrivals if it is a folder."""
        if not self.path.is_dir():
            return self.path
        if not (self.path / ARRIVALS).is_file():
            raise DataError(
                f"trace {self.path}: the folder has no {ARRIVALS}, which a run writes at its end: "
                "finish the run with run --resume, or name the folder of a finished run"
            )
        return self.path / ARRIVALS

    def check(self, workers: int, work: Floats) -> None:
        recorded = self.times.shape[1]
        if workers > recorded:
            raise UsageError(f"trace {self.path} has {recorded} workers: use at most that many")
        if self.times.ndim == 3 and self._task(work)[-1] >= self.times.shape[2]:
            raise UsageError(
                f"trace {self.path} has {self.times.shape[2]} tasks per worker: "
                f"use --load {self.times.shape[2]} or less, or less --redundancy"
            )


def checked(name: str, times: NDArray[Any]) -> Floats:
    """Return times that a trace can have, as floats.

    Parameters
    ----------
    name : str
        What errors call the times.
    times : (iterations, workers) or (iterations, workers, work) array
        Durations, or finish times of tasks.

    Raises
    ------
    DataError
        If the array has another shape or type, or times are negative, missing or do not ascend.
    """
    if times.ndim not in (2, 3) or not times.size or times.dtype.kind not in "iuf":
        raise DataError(f"{name} is {times.dtype} {times.shape}: give {WANTED}")
    if np.isnan(times).any() or (times < 0).any():
        raise DataError(f"{name}: times have to be 0 or more, or inf for never")
    if times.ndim == 3 and (times[..., 1:] < times[..., :-1]).any():
        raise DataError(
            f"{name}: finish times of a worker's tasks have to ascend: sort the last axis"
        )
    return times.astype(np.float64)


def in_order(arrival: Floats) -> Floats:
    """Return arrival times (..., J) in the order of arrival, those that are missing (NaN) last.

    The messages of a dynamic scheme are numbered by the block that they carry. The order of arrival
    is that in which the worker has done them.
    """
    return np.sort(arrival, axis=-1)


def extended(finish: Floats) -> Floats:
    """Return finish times (..., tasks) without end, if a worker has finished any task.

    Each task that it has not finished (inf) takes as long as the finished ones do on average.
    """
    tasks = np.arange(1, finish.shape[-1] + 1)
    count = np.isfinite(finish).sum(axis=-1, keepdims=True)
    last = np.where(np.isfinite(finish), finish, 0.0).max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        further = np.where(count > 0, last / count * tasks, np.inf)
    return np.where(np.isfinite(finish), finish, further)


def finish_times_from_arrivals(arrival: Floats, tasks_done: NDArray[np.int64]) -> Floats:
    """Return finish times of tasks, spreading the tasks between two messages evenly.

    Parameters
    ----------
    arrival : (iterations, M, J) array
        Arrival times in seconds after beta_t was sent; NaN if the message did not arrive.
    tasks_done : (M, J) integers
        Number of tasks that the worker has done when it sends the message; 0 if it has no such
        message.

    Returns
    -------
    (iterations, M, tasks) array
        Finish times in seconds; inf for never.

    Raises
    ------
    ValueError
        If the arrays have the wrong types or inconsistent shapes, or tasks are out of order.
    """
    if (
        arrival.ndim != 3
        or arrival.dtype.kind != "f"
        or tasks_done.dtype.kind not in "iu"
        or tasks_done.shape != arrival.shape[1:]
        or not tasks_done.size
    ):
        raise ValueError("these are not arrivals")
    iterations, workers, _ = arrival.shape
    finish = np.full((iterations, workers, int(tasks_done.max())), np.inf)
    known = np.where(np.isnan(arrival), np.inf, arrival)
    for worker in range(workers):
        done = tasks_done[worker][tasks_done[worker] > 0]
        if (np.diff(done) <= 0).any():
            raise ValueError("tasks have to be done in order")
        start = np.zeros(iterations)
        for message, (first, last) in enumerate(zip([0, *done], done, strict=False)):
            end = known[:, worker, message]
            here = np.isfinite(end)
            between = (end[here] - start[here])[:, None] * np.arange(1, last - first)
            between = start[here, None] + between / (last - first)
            finish[here, worker, first : last - 1] = np.minimum(between, end[here, None])
            finish[:, worker, last - 1] = start = end
    return finish
