"""A script that trains twice, and one rank of which ends before: WHO WHEN HOW.

WHO is a rank, or ``all``; WHEN is ``before``, ``in``, ``between`` or ``after``.
"""

import os
import signal
import sys
from pathlib import Path

import coded_dgd
from coded_dgd.host.launcher import launch

who, when, how = sys.argv[1:]
rank = launch().rank
mine = who in ("all", str(rank))


def end(*_):
    if how == "exception":
        raise RuntimeError("planted")
    if how == "exit":
        sys.exit()
    if how == "exit-3":
        sys.exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "vanish":
        os._exit(0)


if mine and how == "import":
    folder = Path.cwd() / "hiding"
    folder.mkdir(exist_ok=True)
    (folder / "random.py").write_text("")
    sys.path.insert(0, str(folder))  # as where the script is in that folder

train = coded_dgd.train

import numpy as np  # noqa: E402

X = np.random.default_rng(0).standard_normal((40, 3))


def fit():
    return train(
        X, X @ [1, 2, 3], scheme="uc-mmc", load=2, iterations=20,
        delay="shifted-exponential:mu=100,alpha=0.005",
    )  # fmt: skip


if mine and when == "before":
    from mpi4py import MPI  # noqa: F401  as scripts that know their rank do

    end()
if mine and when == "in":
    from coded_dgd.engine.master import Master
    from coded_dgd.engine.worker import Worker

    cls, method = (Master, "iterate") if rank == 0 else (Worker, "_begin")
    original, calls = getattr(cls, method), []

    def wrapped(*arguments):
        calls.append(arguments)
        if len(calls) == 10:
            end()
        return original(*arguments)

    setattr(cls, method, wrapped)
fit()
if mine and when == "between":
    end()
result = fit()
if result:
    print("result", result.coef_.round(3).tolist(), flush=True)
if mine and when == "after":
    end()
