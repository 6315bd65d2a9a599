"""What travels between master and workers, over any transport.

control     master to worker: take an assignment, stop, leave (`Control`), in order with the points
assignment  master to worker: what the worker holds and does (`Assignment`), then its data in
            pieces
point       master to worker, per iteration: where to compute the gradient; the newest overtakes
result      worker to master, after every message boundary: header and body in one array of the
            assignment's type. The header is always float64. The body is what the `Layout` of the
            assignment says: extras, if requested, and the payload. A worker that combines results
            sends the header alone, and on request a result whose body is a sum (`Collect`)

A worker may hold shards of several codes. Assignments, points and results carry the *code id* that
they belong to. A worker that stops or fails sends a `Report`; after it come only the events of its
timeline, if one is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import IntEnum, IntFlag
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coded_dgd import errors
from coded_dgd.errors import CodedDGDError
from coded_dgd.problems.layout import Layout

if TYPE_CHECKING:
    from coded_dgd.problems.encoding import LocalEncoding

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]

HEADER = 5
"""Floats before the body of a result: code id, iteration, message, compute and overrun seconds."""


class Control(IntEnum):
    """The kind of a control message from rank 0 to a worker: its first number."""

    POINT = 0
    """A `Point` follows: where to compute the gradient."""
    ASSIGNMENT = 1
    """An `Assignment` and its data follow."""
    STOP = 2
    """The worker must stop and send its `Report`."""
    RELEASE = 3
    """The worker must leave, since all have reported. The argument is a `Release`."""
    GREET = 4
    """The worker must send its `Greeting`."""
    HEARTBEAT = 5
    """The message carries nothing; it only shows whether the worker still receives."""
    CHANGE = 6
    """The worker must make a `TaskChange` of its list of tasks in an iteration."""
    PRODUCT = 7
    """A `Point` follows, at which the worker leaves labels out: see `Point.product`."""
    OWN_TASKS = 8
    """The worker begins the following iterations with other tasks: `OwnTasks`."""
    COLLECT = 9
    """The worker must send a sum of results that it has kept: `Collect`."""


class Text(IntEnum):
    """The kind of a text message from a worker to rank 0: the first item of its JSON."""

    GREETING = 1
    READY = 2
    REPORT = 3


class Release(IntFlag):
    """How a worker leaves."""

    HARD = 1
    """The worker leaves without MPI_Finalize."""
    FAILED = 2
    """The worker leaves with the error that follows, which rank 0 has raised."""


class Greeting(NamedTuple):
    """The first message of a worker: its host, cores, clock and version.

    Workers of other versions send it, too. The fields must not change, and new ones come last.
    """

    host: str
    pid: int
    cores: int
    """Number of cores that the worker may use."""
    clock: float
    """Seconds since the Epoch, on the clock of the worker's host."""
    version: str = "of an unknown version"
    """Version of this package on the worker."""


class SharedPlaces(NamedTuple):
    """Where a worker's blocks are among the shared blocks of its host, in plain values."""

    blocks: int
    """Number of shared blocks on the host."""
    places: tuple[int, ...]
    """Index of the block of each task among them."""
    token: int
    """Random number that identifies this shared memory."""
    path: str | None = None
    """Path of the shared memory; None for the worker that creates it."""


class Assignment(NamedTuple):
    """All that a worker must know besides its data. All fields are plain values, sent as JSON."""

    code_id: int
    replaces: int | None
    """Code id that is no longer needed once this one is in use."""
    worker: int
    """Number of the worker in the delay model."""
    tasks: int
    """Number of blocks that the worker holds, with one task each."""
    height: int
    """Number of rows of a block."""
    columns: int
    """Number of columns of the data, or of Q = X^T X."""
    layout: Layout
    """Content of the worker's messages; its type is also that of the blocks and products."""
    own: tuple[int, ...] | None
    """Tasks with which the worker begins an iteration in which rank 0 assigns others to it.

    None if the worker computes all of its tasks in order."""
    labels: bool
    """Whether the data come with labels; coded data do not."""
    ends: tuple[int, ...]
    """Number of tasks done when each message leaves."""
    coefficients: tuple[float, ...] | None
    """Factor of each task's result in its message; None if all are one."""
    unit: float
    """Size of a task in units of the delay model's task."""
    product: bool
    """Whether a task is the product X beta instead of a gradient."""
    objective: str
    delay: str
    seed: int
    surplus: bool = False
    """Whether rank 0 can have enough messages before any worker has sent its last one."""
    combine: bool = False
    """Whether the worker reports finished tasks without results, and sends sums on request."""
    weights: bool = False
    """Whether labels come with the sample weights of the rows."""
    classes: tuple[float, ...] | None = None
    """Distinct labels of the data if training replaces them by numbers, else None."""
    search: tuple[str, ...] = ()
    """Folders from which modules are imported, besides the current one."""
    rows: tuple[tuple[int, int], ...] | None = None
    """First row and end of each task among the rows of the data; None if blocks are coded.

    Further rows of a block are padding."""
    batch: tuple[int, int] | None = None
    """Number of rows of the data, and of a batch of them; None if all rows take part."""
    kernel: str = "products"
    """How the gradient of a block is computed (`engine.kernels`)."""
    loads: bool = False
    """Whether the objective loads libraries, which takes seconds."""
    timeline: bool = False
    """Whether the worker records a timeline."""
    log: str | None = None
    """Path of the worker's log file; None for no log."""
    log_level: str = "info"
    local_encoding: LocalEncoding | None = None
    """How the worker makes its blocks; None if rank 0 sends them."""
    entries: tuple[int, ...] | None = None
    """Number of entries of each block that is coming; None if rows are dense."""
    shared: SharedPlaces | None = None
    """Places of the blocks among the shared blocks of the host; None if the worker has its own."""

    @classmethod
    def from_json(cls, text: bytes | bytearray) -> Assignment:
        """Return the assignment that was written as JSON."""
        fields = json.loads(text)
        for name in ("own", "ends", "coefficients", "classes", "search", "batch", "entries"):
            if fields[name] is not None:
                fields[name] = tuple(fields[name])
        if fields["rows"] is not None:
            fields["rows"] = tuple(map(tuple, fields["rows"]))
        layout = fields["layout"]
        fields["layout"] = Layout(**{**layout, "extras": tuple(layout["extras"])})
        if fields["local_encoding"] is not None:
            from coded_dgd.problems.encoding import LocalEncoding

            fields["local_encoding"] = LocalEncoding.from_json(fields["local_encoding"])
        if (shared := fields["shared"]) is not None:
            fields["shared"] = SharedPlaces(**{**shared, "places": tuple(shared["places"])})
        return cls(**fields)

    def to_json(self) -> bytes:
        """Return the assignment as JSON."""
        layout, shared, local = self.layout, self.shared, self.local_encoding
        parts = {
            "layout": layout._asdict(),
            "shared": shared and shared._asdict(),
            "local_encoding": local and local.to_json(),
        }
        return json.dumps(self._asdict() | parts).encode()

    @property
    def labels_shape(self) -> tuple[int, ...] | None:
        """Shape of the labels of a block, with a row of sample weights below; None for none."""
        if not self.labels:
            return None
        return (2, self.height) if self.weights else (self.height,)

    @property
    def payloads(self) -> int:
        """Number of payloads that the worker sends in an iteration in which nothing is lost."""
        return 1 if self.combine else len(self.ends)

    @property
    def attaches(self) -> bool:
        """Whether another worker of the host receives the blocks."""
        return self.shared is not None and self.shared.path is not None

    @property
    def reports_ready(self) -> bool:
        """Whether the worker must report that it has its data, or has none."""
        slow = self.kernel == "gram" or self.loads
        return bool(self.local_encoding or self.shared or slow)

    def alone(self) -> Assignment:
        """Return the same assignment for a worker that keeps its own of the shared blocks alone."""
        if self.shared is None:
            return self
        entries = self.entries and tuple(self.entries[place] for place in self.shared.places)
        return self._replace(entries=entries, shared=None)

    @property
    def coming(self) -> int:
        """Number of blocks that the worker receives: its own, or the shared blocks of its host."""
        return self.tasks if self.shared is None else self.shared.blocks


class Ready(NamedTuple):
    """Message of a worker that has all data of its assignment, or has failed to get them."""

    code_id: int
    ready: bool
    path: str | None
    """Path of the shared blocks of the host, if this worker has created them."""


class Point(NamedTuple):
    """Where to compute the gradient in this iteration."""

    code_id: int
    iteration: int
    beta: Floats
    product: bool = False
    """Whether labels are left out, so that the gradient of an objective of degree 2 becomes the
    product of its Hessian and `beta`."""


class TaskChange(NamedTuple):
    """A change of the list of tasks of a worker while an iteration runs, in dynamic schemes."""

    code_id: int
    iteration: int
    take: int
    """Number of the task to add at the end of the list; -1 for none."""
    drop: int
    """Number of the task to drop, also if it is under way; -1 for none."""


class OwnTasks(NamedTuple):
    """The tasks with which a worker begins the following iterations, in dynamic schemes."""

    code_id: int
    tasks: tuple[int, ...]


class Collect(NamedTuple):
    """The request for a sum of results that a worker has kept, in dynamic schemes that combine."""

    code_id: int
    iteration: int
    number: int
    """Number of the message that carries the sum; it is larger than that of any task."""
    tasks: tuple[int, ...]
    """Tasks whose results are added up."""


News = TaskChange | OwnTasks | Collect
"""What rank 0 tells one worker of a dynamic scheme."""


class Command(NamedTuple):
    """A control message with at most one number besides its kind."""

    kind: Control
    argument: int


SHORT = 5
"""Numbers of a control message before its list, if any: its kind and four arguments."""


def pack_control(kind: Control, *arguments: int, values: ArrayLike = ()) -> Floats:
    """Return a control message as it is sent: SHORT numbers, and a list of `values`."""
    message = np.zeros(SHORT + np.size(values))
    message[: len(arguments) + 1] = kind, *arguments
    message[SHORT:] = values
    return message


def point_buffer(point: Point) -> Floats:
    """Return a buffer for points as long as this one."""
    return np.zeros(SHORT + len(point.beta))


def pack_point(point: Point, buffer: Floats) -> None:
    """Write a point to a buffer of its length, in the form in which it is sent."""
    kind = Control.PRODUCT if point.product else Control.POINT
    buffer[: SHORT - 1] = kind, point.code_id, point.iteration, len(point.beta)
    buffer[SHORT:] = point.beta


def pack_news(news: News) -> Floats:
    """Return what a worker is told in the form in which it is sent."""
    if isinstance(news, TaskChange):
        return pack_control(Control.CHANGE, *news)
    *arguments, tasks = news
    kind = Control.COLLECT if isinstance(news, Collect) else Control.OWN_TASKS
    return pack_control(kind, *arguments, len(tasks), values=tasks)


def control_buffer(length: int = 0) -> Floats:
    """Return a buffer for any control message whose list has at most so many numbers."""
    return np.empty(SHORT + length)


_unpack: Callable[..., tuple[float, ...]] = Struct(f"{SHORT}d").unpack_from
_POINTS = {int(Control.POINT): False, int(Control.PRODUCT): True}
"""Whether a point of this kind of control message leaves labels out."""


def read_control(message: Floats) -> Point | News | Command:
    """Return the content of a control message, in memory of its own."""
    kind, *arguments = map(int, _unpack(message))
    if kind in _POINTS:
        code_id, iteration, count, _ = arguments
        return Point(code_id, iteration, message[SHORT : SHORT + count].copy(), _POINTS[kind])
    if kind == Control.CHANGE:
        return TaskChange(*arguments)
    if kind == Control.OWN_TASKS:
        return OwnTasks(arguments[0], _tasks(message, arguments[1]))
    if kind == Control.COLLECT:
        code_id, iteration, number, count = arguments
        return Collect(code_id, iteration, number, _tasks(message, count))
    return Command(Control(kind), arguments[0])


def _tasks(message: Floats, count: int) -> tuple[int, ...]:
    """Return the tasks in the list of a control message."""
    return tuple(map(int, message[SHORT : SHORT + count]))


class Report(NamedTuple):
    """The last report of a worker, or about a lost one: its failure, or the work it has done."""

    peer: int
    host: str
    results: int
    """Number of results sent, so that the master knows when it has received them all."""
    cpu_seconds: float
    seconds: float
    """Processor time and elapsed time since the first point arrived, in seconds."""
    iteration: int
    failure: str | None = None
    """Cause of the failure in one line; None if the worker has stopped normally."""
    traceback: str | None = None
    """Traceback of the failure; None if the process was lost without a report."""
    events: int = 0
    """Number of timeline events that follow (`engine.events`)."""
    memory: int = 0
    """Peak of the worker's memory in bytes; 0 if it was not measured."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as checkpoints hold them; `events` is called ``marks`` there."""
        values = self._asdict()
        values["marks"] = values.pop("events")
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Report:
        """Read what `to_json` has written.

        Raises
        ------
        TypeError
            If a field is unknown or missing.
        """
        return cls(**{"events" if name == "marks" else name: each for name, each in values.items()})


class Logs(NamedTuple):
    """Where the ranks of a job write their logs, and at which level."""

    folder: Path
    """Absolute path, since a worker may run in another folder."""
    level: str

    def file(self, rank: int) -> str:
        """Return the path of the log of a rank."""
        return str(self.folder / f"rank-{rank:03d}.log")


def error_text(error: BaseException, host: str) -> bytes:
    """Return an error of rank 0 as it is sent: class, message and exit code as JSON."""
    if isinstance(error, CodedDGDError):
        # the user catches TooFewWorkers as an Undecodable
        known = next(each for each in type(error).__mro__ if each.__module__ == errors.__name__)
        return json.dumps([known.__name__, str(error), error.exit_code]).encode()
    cause = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    message = f"train failed on rank 0 on {host}: {cause[:500]}"
    return json.dumps([CodedDGDError.__name__, message, CodedDGDError.exit_code]).encode()


def read_error(text: bytes | bytearray) -> CodedDGDError:
    """Return the error of rank 0, for a worker to raise."""
    name, message, exit_code = json.loads(text)
    error: CodedDGDError = getattr(errors, name)(message)
    error.exit_code, error.of_rank_0 = exit_code, True
    return error


pack_header: Callable[..., None] = Struct(f"{HEADER}d").pack_into
"""Write a header: ``pack_header(result, 0, code_id, iteration, message, compute, overrun)``.

The result may be of any type, as the header is always float64.
"""


def result_size(length: int, dtype: str | np.dtype[Any]) -> int:
    """Return the length of a message, in numbers of type `dtype`, whose body has this `length`."""
    return HEADER * 8 // np.dtype(dtype).itemsize + length
