"""The messages between a process and rank 0 of the job that it has started."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from coded_dgd.errors import CodedDGDError

SOCKET = "socket"
"""Name of the socket in the folder of a job."""


class Call(NamedTuple):
    """The arguments of `coded_dgd.train`, without communicator, objective and callback."""

    X: Any
    y: Any
    unnamed: tuple[Any, ...]
    sample_weight: Any
    options: dict[str, Any]


class Order(NamedTuple):
    """A training that rank 0 has to run."""

    folder: str | None
    """Current folder of the process; None if it has been removed."""
    path: list[str]
    """Folders from which the process imports modules."""
    objective: bytes
    """The argument `objective`, pickled, for all ranks."""
    call: bytes
    """A pickled `Call`."""
    arrays: str
    """Folder of the arrays that the call refers to."""
    records: bool
    """Whether the process wants the record of each iteration, and answers it."""


class Record(NamedTuple):
    """The record of an iteration, an `engine.iteration.Iteration`; an `Answer` is expected."""

    iteration: Any


class Answer(Enum):
    """What follows the call of a callback."""

    GO_ON = 0
    STOP = 1
    FAIL = 2
    """The callback has raised an error."""


class Failure(NamedTuple):
    """An error that can be pickled, whatever its constructor takes."""

    kind: type[BaseException]
    arguments: tuple[Any, ...]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the form of an error; one line of text if its parts cannot be pickled."""
        found = cls(type(error), error.args, vars(error))
        try:
            pickle.loads(pickle.dumps(found)).restored()
        except Exception:  # the class, or a part of it, may raise anything
            found = cls(CodedDGDError, (f"{type(error).__name__}: {error}",), {})
        return found

    def restored(self) -> BaseException:
        """Return an error of the same type, with the same message."""
        error = self.kind.__new__(self.kind)
        error.args = self.arguments
        vars(error).update(self.attributes)
        return error


class Reply(NamedTuple):
    """What has become of a training."""

    training: Any = None
    """The `coded_dgd.Training`."""
    error: Failure | None = None
    warnings: Sequence[tuple[str, type[Warning]]] = ()
    last: bool = False
    """Whether ranks are lost, so that the job cannot run another training."""
