"""Ending a job whose mpiexec does not react."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {}"
END = (
    "from coded_dgd.host import guardian, open_mpi; "
    "guardian.END_SECONDS = 0.5; open_mpi.end_job_surely()"
)


def start(stack, code, **env):
    process = stack.enter_context(
        subprocess.Popen([sys.executable, "-c", code], env=os.environ | env, stdout=subprocess.PIPE)
    )
    stack.callback(process.kill)
    return process


def test_an_mpiexec_that_hangs_is_killed_with_its_ranks():
    with ExitStack() as stack:
        launcher = start(stack, DEAF.format("time.sleep(60)"))
        namespace = f"prterun-{socket.gethostname()}-{launcher.pid}@1"
        rank = start(stack, DEAF.format("time.sleep(60)"), PMIX_NAMESPACE=namespace, PMIX_RANK="2")
        for process in (launcher, rank):
            process.stdout.readline()
        subprocess.run(
            [sys.executable, "-c", END], check=True, timeout=30,
            env=os.environ | {"PMIX_NAMESPACE": namespace, "PMIX_RANK": "0"},
        )  # fmt: skip
        assert launcher.wait(5) == rank.wait(5) == -signal.SIGKILL


def test_one_that_ends_is_left_the_time_for_it():
    with ExitStack() as stack:
        launcher = start(stack, "import time; print(flush=True); time.sleep(60)")
        launcher.stdout.readline()
        namespace = f"prterun-{socket.gethostname()}-{launcher.pid}@1"
        ending = subprocess.Popen(
            [sys.executable, "-c", END],
            env=os.environ | {"PMIX_NAMESPACE": namespace, "PMIX_RANK": "0"},
        )
        assert launcher.wait(10) == -signal.SIGTERM
        begin = time.monotonic()
        assert ending.wait(10) == 0
        assert time.monotonic() - begin < 5
