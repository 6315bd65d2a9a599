"""A process with a pool of two workers, to which something happens: the case is the argument."""

from __future__ import annotations

import os
import signal
import sys
import threading

import numpy as np

import coded_dgd
from coded_dgd.errors import CodedDGDError

RNG = np.random.default_rng(3)
X = RNG.standard_normal((60, 4))
Y = X @ [1.0, 2.0, 3.0, 4.0]
QUICK = {"scheme": "uncoded", "iterations": 3, "step_size": 1e-3}
SLOW = {**QUICK, "iterations": 10**6, "delay": "shifted-exponential:mu=100,alpha=0.01"}


def ranks() -> list[int]:
    """Return the process ids of the ranks of the pool, in order."""
    from launching import children

    pool = coded_dgd.pool.current()
    found = children(pool._job._launched._process.pid)
    return [found[rank] for rank in sorted(found)]


def strike(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process in a moment."""
    timer = threading.Timer(0.5, os.kill, (pid, number))
    timer.daemon = True
    timer.start()


def attempt(**options: object) -> None:
    """Train, say what came of it, and train again."""
    before = ranks()
    try:
        coded_dgd.train(X, Y, **options)
    except (CodedDGDError, KeyboardInterrupt) as error:
        print(type(error).__name__, error)
    print("then", coded_dgd.train(X, Y, **QUICK).n_iter_)
    if set(before) & set(ranks()):
        print("the same processes")


def happens(case: str) -> None:
    """Let a case happen."""
    who, when = case.split()
    if who == "exit":
        sys.exit(3)
    pid = {"process": os.getpid(), "ctrl-c": os.getpid(), "rank0": ranks()[0], "rank2": ranks()[2]}
    number = signal.SIGINT if who == "ctrl-c" else signal.SIGKILL
    if when == "idle":
        os.kill(pid[who], number)
        attempt(**QUICK)
    else:
        strike(pid[who], number)
        attempt(**SLOW)


if __name__ == "__main__":
    if sys.argv[1] == "never left":
        coded_dgd.workers(2).__enter__()
    else:
        with coded_dgd.workers(2):
            happens(sys.argv[1])
