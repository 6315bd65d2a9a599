"""This module computes independent pieces of one computation on several cores.

``multiprocessing`` would import the script that was started into every process. If that script
uses MPI, the processes would hang, and a fork of a process that uses MPI is no safer. So these are
fresh interpreters: ``python -m coded_dgd.theory.processes``, with pickled results on stdout.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import IO, TypeVar

from coded_dgd import streams
from coded_dgd.errors import CodedDGDError, UsageError
from coded_dgd.files import writing

T = TypeVar("T")


def in_order(function: Callable[[int], T], count: int, jobs: int) -> Iterator[T]:
    """Yield function(0), ..., function(count - 1), computed by `jobs` processes.

    `function` is pickled: it and the objects it holds must come from modules that can be imported.

    Raises
    ------
    UsageError
        If `function` cannot be pickled.
    CodedDGDError
        If a process ends early. Its stderr says why.
    StorageError
        If the folder for temporary files is full.
    """
    jobs = min(jobs, count)
    with ExitStack() as stack:
        try:
            with writing(Path(gettempdir())):
                file = stack.enter_context(NamedTemporaryFile())
                pickle.dump(function, file)
                file.flush()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"this does not go to other processes ({error}): use --jobs 1"
            ) from None
        results = [_start(stack, file.name, first, count, jobs) for first in range(jobs)]
        for index in range(count):
            try:
                result = pickle.load(results[index % jobs])
            except EOFError:
                raise CodedDGDError(
                    f"one of {jobs} processes has ended before its time and said why: use "
                    "--jobs 1, or put a scheme of your own into a module that can be imported"
                ) from None
            yield result


def _start(stack: ExitStack, *arguments: str | int) -> IO[bytes]:
    """Start a process that ends with `stack`; return its stdout."""
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    return process.stdout


def _serve(path: str, first: str, count: str, jobs: str) -> None:
    """Compute every `jobs`-th piece from `first` on, in a process that `in_order` has started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    streams.prepare()
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # printed text must not mix with results
    function = pickle.loads(Path(path).read_bytes())
    for index in range(int(first), int(count), int(jobs)):
        pickle.dump(function(index), results)
        results.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
