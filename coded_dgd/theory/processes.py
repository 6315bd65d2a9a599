"""Independent pieces of one computation on several cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from coded_dgd.errors import CodedDGDError

T = TypeVar("T")

AHEAD = 4
"""Pieces under way or waiting to be taken, per process."""

_function: Callable[[int], Any]


def in_order(function: Callable[[int], T], count: int, jobs: int) -> Iterator[T]:
    """Yield function(0), ..., function(count - 1), computed by so many processes.

    The processes start afresh instead of as forks, which a process that uses MPI does not survive.
    A script that gets here therefore needs its ``if __name__ == "__main__":``.

    Raises
    ------
    CodedDGDError
        If a process ends before its time.
    """
    try:
        with ProcessPoolExecutor(
            min(jobs, count), get_context("spawn"), initializer=_receive, initargs=(function,)
        ) as pool:
            pending = deque(pool.submit(_call, index) for index in range(min(AHEAD * jobs, count)))
            for index in range(len(pending), count + len(pending)):
                yield pending.popleft().result()
                if index < count:
                    pending.append(pool.submit(_call, index))
    except BrokenProcessPool:
        raise CodedDGDError(
            f"one of {jobs} processes ended before its time: use one job, or, in a script of your "
            'own, put what it runs under if __name__ == "__main__":'
        ) from None


def _receive(function: Callable[[int], Any]) -> None:
    global _function
    _function = function


def _call(index: int) -> Any:
    return _function(index)
