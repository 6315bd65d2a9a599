"""What travels between master and workers, over any transport.

control  master to worker: take a plan, stop, leave (`Control`), in order with the points
plan     master to worker: what the worker holds and does (`Assignment`), then its data in pieces
point    master to worker, per iteration: where to take the gradient; the newest overtakes
result   worker to master, after every message boundary: header and body in one array of the
         plan's type; the header is float64 whatever that is, the body is what the plan's `Layout`
         says: extras, if any are asked for, and the payload

A worker may hold shares of several codes. Each code is a *lane*: plans, points and results say to
which they belong. A worker that stops, or fails, says so in a `Report`; its marks, if a timeline is
wanted, are all that it sends after that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coded_dgd import errors
from coded_dgd.errors import CodedDGDError
from coded_dgd.problems.layout import Layout

if TYPE_CHECKING:
    from coded_dgd.problems.encoding import LocalEncoding

Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]

HEADER = 5
"""Floats before the body of a result: lane, iteration, message, compute and overrun seconds."""


class Control(IntEnum):
    """The kind of a control message, which rank 0 sends to a worker: its first number."""

    POINT = 0
    """Where to take the gradient: a `Point`."""
    ASSIGNMENT = 1
    """A plan and its data follow."""
    STOP = 2
    """Report."""
    RELEASE = 3
    """Leave: all have reported. With a `Release` as its argument."""
    GREET = 4
    """Say who you are: a `Greeting`."""
    HEARTBEAT = 5
    """Nothing: it is sent only to see that it is received."""
    TASK = 6
    """Compute one task of the current iteration next: a `Task`."""


class Text(IntEnum):
    """The kind of a text message, which a worker sends to rank 0: the first item of its JSON."""

    GREETING = 1
    READY = 2
    REPORT = 3


class Release(IntFlag):
    """How a worker is to leave."""

    HARD = 1
    """Without MPI_Finalize."""
    FAILED = 2
    """With the error that follows: rank 0 has raised it."""


class Greeting(NamedTuple):
    """Who a worker is; the first thing that it says.

    Workers of other versions greet, too: what is here stays, and what is new comes last.
    """

    host: str
    pid: int
    cores: int
    """Cores that it may use."""
    clock: float
    """Seconds since the Epoch, by its host."""
    version: str = "of an unknown version"
    """Of this package."""


@dataclass(frozen=True)
class SharedSlice:
    """Where a worker's blocks are among those of its host. Only plain values."""

    blocks: int
    """Of the host."""
    first: int
    """Of the worker."""
    token: int
    """Tells this memory from any other."""
    path: str | None = None
    """Where the memory is; None for the worker that makes it."""


@dataclass(frozen=True)
class Assignment:
    """All that a worker needs to know besides its data. Only plain values: it travels as JSON."""

    code_id: int
    replaces: int | None
    """Lane that is not needed any more once this one is used."""
    worker: int
    """Number of the worker in the delay model."""
    tasks: int
    """Blocks that the worker holds, one task each."""
    height: int
    """Rows of a block."""
    columns: int
    """Columns of the data, or of Q = X^T X."""
    layout: Layout
    """What the worker sends; its type is also that of the worker's blocks and products."""
    dynamic: bool
    """Whether rank 0 says one by one which tasks to compute, while an iteration runs."""
    labels: bool
    """Whether the data come with labels; coded data do not."""
    ends: tuple[int, ...]
    """Number of tasks done when each message leaves."""
    coefficients: tuple[float, ...] | None
    """Factor of each task's result in its message; None for all one."""
    unit: float
    """What a task is in tasks of the delay model."""
    product: bool
    """Whether a task is the product X beta instead of a gradient."""
    objective: str
    delay: str
    seed: int
    search: tuple[str, ...] = ()
    """Folders that modules are imported from besides the current one."""
    rows: tuple[int, ...] | None = None
    """Rows of each task that are data, where extras are sent: the others only fill up blocks."""
    kernel: str = "products"
    """How the gradient of a block is computed (`engine.kernels`)."""
    timeline: bool = False
    """Whether the worker takes down what it does from when on."""
    log: str | None = None
    """File for the worker's own log, where one is wanted."""
    log_level: str = "info"
    local_encoding: LocalEncoding | None = None
    """How to make the blocks, where rank 0 does not send them."""
    shared_slice: SharedSlice | None = None
    """Where the blocks are, if workers of a host hold theirs together."""

    @classmethod
    def from_json(cls, text: bytes | bytearray) -> Assignment:
        """Return what was written as JSON."""
        fields = json.loads(text)
        for name in ("ends", "coefficients", "search", "rows"):
            if fields[name] is not None:
                fields[name] = tuple(fields[name])
        layout = fields["layout"]
        fields["layout"] = Layout(**{**layout, "extras": tuple(layout["extras"])})
        if fields["local_encoding"] is not None:
            from coded_dgd.problems.encoding import LocalEncoding

            fields["local_encoding"] = LocalEncoding.from_json(fields["local_encoding"])
        if fields["shared_slice"] is not None:
            fields["shared_slice"] = SharedSlice(**fields["shared_slice"])
        return cls(**fields)

    @property
    def attaches(self) -> bool:
        """Whether another worker of the host gets the blocks."""
        return self.shared_slice is not None and self.shared_slice.path is not None

    @property
    def reports_ready(self) -> bool:
        """Whether rank 0 wants to hear that the worker has its data, or has none."""
        return bool(self.local_encoding or self.shared_slice or self.kernel == "gram")

    @property
    def coming(self) -> int:
        """Blocks that the worker gets: its own, or those of all workers of its host."""
        return self.tasks if self.shared_slice is None else self.shared_slice.blocks


class Ready(NamedTuple):
    """A worker has all data of a plan that says how to get them, or has none."""

    code_id: int
    ready: bool
    path: str | None
    """Of the memory in which workers of a host hold their blocks, if this one has made it."""


class Point(NamedTuple):
    """Where to take the gradient in this iteration."""

    code_id: int
    iteration: int
    beta: Floats


class Task(NamedTuple):
    """One more task, where rank 0 decides on tasks while an iteration runs."""

    code_id: int
    iteration: int
    number: int
    """Number of the task among those of the worker."""


class Command(NamedTuple):
    """A control message without numbers of its own but for one."""

    kind: Control
    argument: int


SHORT = 4
"""Numbers of a control message other than a point: its kind and up to three arguments."""


def pack_point(point: Point) -> Floats:
    """Return a point as it travels."""
    return np.concatenate([[Control.POINT, point.code_id, point.iteration], point.beta])


def pack_control(kind: Control, *arguments: int) -> Floats:
    """Return a control message other than a point as it travels, of shape (SHORT,)."""
    message = np.zeros(SHORT)
    message[: len(arguments) + 1] = kind, *arguments
    return message


def control_buffer(parameters: int = 0) -> Floats:
    """Return room for a point with that many parameters, or any other control message."""
    return np.empty(max(3 + parameters, SHORT))


def read_control(message: Floats) -> Point | Task | Command:
    """Return what a control message says, in memory of its own."""
    kind, first, second, third = message[:SHORT].astype(int).tolist()
    if kind == Control.POINT:
        return Point(first, second, message[3:].copy())
    if kind == Control.TASK:
        return Task(first, second, third)
    return Command(Control(kind), first)


class Report(NamedTuple):
    """The last word of a worker, or about it: a failure, or what it did until it was stopped."""

    peer: int
    host: str
    results: int
    """Results sent in all, so that the master knows when it has drained them."""
    cpu_seconds: float
    seconds: float
    """Processor and elapsed time since the first point arrived."""
    iteration: int
    failure: str | None = None
    """Cause, in one line, where the worker failed."""
    traceback: str | None = None
    """Where it raised; None where the process was lost without a word."""
    events: int = 0
    """How many it sends along, where a timeline is wanted (`engine.events`)."""
    memory: int = 0
    """Peak of its memory, in bytes; 0 where nobody has measured it."""


class Logs(NamedTuple):
    """Where the ranks of a job write their logs, and how much."""

    folder: Path
    """Absolute: a worker may run elsewhere."""
    level: str

    def file(self, rank: int) -> str:
        """Name of the log of a rank."""
        return str(self.folder / f"rank-{rank:03d}.log")


def error_text(error: BaseException, host: str) -> bytes:
    """Return an error of rank 0 as it travels: class, message and exit code."""
    if isinstance(error, CodedDGDError):
        # TooFewWorkers, say, is an Undecodable to the user
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


def result_size(length: int, dtype: str | np.dtype[Any]) -> int:
    """Numbers of that type in a message whose body is as long."""
    return HEADER * 8 // np.dtype(dtype).itemsize + length


def result_parts(message: Reals) -> tuple[Floats, Reals]:
    """Return views of the header and of the body; the header is empty where it is not whole."""
    size = HEADER * 8 // message.dtype.itemsize
    header = message[:size] if len(message) >= size else message[:0]
    return header.view(np.float64), message[size:]
