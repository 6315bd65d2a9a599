"""Standard streams that a program can rely on, even if its caller has closed them.

If a descriptor below 3 is closed, the next file that is opened gets it: then messages for stderr
end up in a result. A run whose results are in a folder must not end because a reader goes away, as
``| head -1`` does, or because a message cannot be written. No message fails because the encoding of
the terminal lacks its characters.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from coded_dgd.errors import CodedDGDError

READER_GONE = (errno.EPIPE, errno.EIO, errno.EBADF)
FORGIVING = ("backslashreplace", "replace", "ignore", "namereplace", "xmlcharrefreplace")
"""Error handlers that replace the characters that an encoding lacks."""


class LossyFile(io.FileIO):
    """Descriptor 1 or 2, which drops output that cannot be written.

    The first write to stdout that fails raises a `CodedDGDError`, unless the reader is gone.
    """

    gone = False
    """Whether output is dropped from now on."""

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if self.gone:
            return size
        try:
            return super().write(data)
        except OSError as error:
            self.gone = True
            if self.fileno() == 1 and error.errno not in READER_GONE:
                raise CodedDGDError(
                    f"standard output cannot be written ({error.strerror}): have it go elsewhere"
                ) from None
            return size


def prepare() -> None:
    """Make the standard streams usable, before any file is opened; for programs, not libraries."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):  # the lowest free descriptor is this one
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # the descriptor may be that of another file by now
            setattr(sys, name, _nowhere())
        elif stream is getattr(sys, f"__{name}__") and _has_descriptor(stream, descriptor):
            setattr(sys, name, _lossy(stream, descriptor))


def messages() -> TextIO:
    """Return stderr, or a stream that drops everything if stderr is missing."""
    return sys.stderr if sys.stderr is not None else _nowhere()


def reader_gone() -> bool:
    """Return whether the reader of stdout is gone."""
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", None)
    return isinstance(raw, LossyFile) and raw.gone


def flush() -> None:
    """Write buffered output if possible."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, broken, closed
            stream.flush()


def _has_descriptor(stream: TextIO, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor
    except (OSError, ValueError, AttributeError):
        return False


def _lossy(stream: TextIO, descriptor: int) -> TextIO:
    with suppress(OSError):
        stream.flush()
    errors = stream.errors if stream.errors in FORGIVING else "backslashreplace"
    file = io.BufferedWriter(LossyFile(descriptor, "wb", closefd=False))
    return io.TextIOWrapper(
        file,
        encoding=stream.encoding,
        errors=errors,
        line_buffering=descriptor == 2 or stream.isatty(),
    )


def _nowhere() -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(os.devnull, "wb")), encoding="utf-8")
