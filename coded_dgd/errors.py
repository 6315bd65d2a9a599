"""Errors that a user may see: one line that names the mend, and an exit code each.

The exit codes are part of the command-line contract: 0 done, 1 error, 2 wrong usage or input that
cannot be used, 3 diverged, 4 undecodable, 75 stopped on request.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager

TRACEBACK = "CODED_DGD_TRACEBACK"
"""Variable that shows the traceback of an error that is not foreseen."""


class CodedDGDError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one line for the user."""

    exit_code = 1
    stop_reason = "error"
    """What a run that it has ended says to have stopped for."""
    of_rank_0 = False
    """Whether a worker raises it because rank 0 does."""


class UsageError(CodedDGDError):
    """An option, or a combination of options, that cannot be run."""

    exit_code = 2


class Infeasible(UsageError):
    """A scheme that cannot work for this number of workers, blocks and computation load."""


class DataError(UsageError):
    """Input data that cannot be used: missing, empty, ragged, not finite, of another format."""


class StorageError(CodedDGDError):
    """A file cannot be written: its disk is full or fails, or its folder has gone."""


class Diverged(CodedDGDError):
    """The iterates left the finite numbers; the message names a step size that is safe."""

    exit_code = 3
    stop_reason = "diverged"


class Undecodable(CodedDGDError):
    """Nothing more can arrive and the gradient cannot be decoded within the guard."""

    exit_code = 4
    stop_reason = "undecodable"


class Interrupted(CodedDGDError):
    """The run was asked to stop; it can be resumed from its last checkpoint."""

    exit_code = 75
    stop_reason = "request"


class ConvergenceWarning(UserWarning):
    """Issued by `train`: the result is far from the optimum; the message says what helps."""


@contextmanager
def naming(option: str) -> Iterator[None]:
    """Have a `UsageError` begin with the option that it is about; a `DataError` names a file."""
    try:
        yield
    except UsageError as error:
        if not isinstance(error, DataError):
            error.args = (f"{option}: {error}",)
        raise


def shown(value: object) -> str:
    """Return a value as errors show it: in one line that is not too long."""
    try:
        return " ".join(reprlib.repr(value).split())
    except Exception:  # an int may have too many digits, and an object's own repr may fail
        return f"an object of type {type(value).__name__}"


def one_line(error: Exception) -> str:
    """Return what the error says, in one line that is not too long."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:200]
