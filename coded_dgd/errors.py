"""Errors shown to users. Each is one line that names the remedy, and has an exit code.

The exit codes are part of the command-line contract: 0 done, 1 error, 2 wrong usage or input that
cannot be used, 3 diverged, 4 undecodable, 75 stopped on request.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TRACEBACK = "CODED_DGD_TRACEBACK"
"""Environment variable that shows the traceback of an unforeseen error."""


class CodedDGDError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one line for the user."""

    exit_code = 1
    stop_reason = "error"
    """Reason for stopping in the records of a run that this error has ended."""
    of_rank_0 = False
    """Whether a worker raises the error because rank 0 does."""


class UsageError(CodedDGDError):
    """An option, or a combination of options, cannot be run."""

    exit_code = 2


class Infeasible(UsageError):
    """A scheme cannot work for this number of workers, blocks and computation load."""


class DataError(UsageError):
    """Input data cannot be used: missing, empty, ragged, not finite, of another format."""


class StorageError(CodedDGDError):
    """A file cannot be written: its disk is full or fails, or its folder has been removed."""


class Diverged(CodedDGDError):
    """The iterates are no longer finite; the message names a safe step size."""

    exit_code = 3
    stop_reason = "diverged"


class Undecodable(CodedDGDError):
    """No more message can arrive, and the gradient cannot be decoded within the guard."""

    exit_code = 4
    stop_reason = "undecodable"


class Interrupted(CodedDGDError):
    """The run was asked to stop; it can be resumed from its last checkpoint."""

    exit_code = 75
    stop_reason = "request"


class ConvergenceWarning(UserWarning):
    """The result of `train` is far from the optimum; the message names the remedy."""


@contextmanager
def naming(option: str) -> Iterator[None]:
    """Let a `UsageError` begin with the option that caused it; a `DataError` names a file."""
    try:
        yield
    except UsageError as error:
        if not isinstance(error, DataError):
            error.args = (f"{option}: {error}",)
        raise


def shown(value: object) -> str:
    """Return a value as errors show it: in one short line."""
    try:
        return " ".join(reprlib.repr(value).split())
    except Exception:  # an int may have too many digits, and an object's own repr may fail
        return f"an object of type {type(value).__name__}"


def one_line(error: Exception) -> str:
    """Return the message of an error in one short line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:200]


def answer(who: str, question: Callable[[], T]) -> T:
    """Return what a user's method answers.

    Parameters
    ----------
    who : str
        Object and method, as the message names them.
    question : callable
        Calls the method.

    Raises
    ------
    UsageError
        If the method raises anything but an error of this package or a lack of memory, in one line.
    """
    try:
        return question()
    except (CodedDGDError, MemoryError):
        raise
    except Exception as error:  # a user's method may raise anything
        raise UsageError(f"{who} raised {located(error)}") from error


def located(error: Exception) -> str:
    """Return type, message and place of an error that a user's class has raised, in one line.

    Without a place if this package called the class in a way in which it cannot be called.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    text = f"{type(error).__name__}: {one_line(error)}"
    if trace is None or trace.tb_frame.f_globals.get("__name__", "").startswith("coded_dgd."):
        return text
    return f"{text} ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})"
