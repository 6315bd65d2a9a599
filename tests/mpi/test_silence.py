"""--silence: workers that give no sign of life."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from launching import children, mpiexec

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("fault_tolerance")]

OPTIONS = [
    "--scheme", "lcc-mmc", "--load", "3", "--delay", "shifted-exponential:mu=50,alpha=0.01",
    "--iterations", "60", "--quiet", "--json", "--out", "run",
]  # fmt: skip


@pytest.fixture
def started(tmp_path):
    """A job of five ranks with --silence 1 that has come to its tenth iteration."""
    process = subprocess.Popen(
        [
            mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd.run", *OPTIONS, "--silence", "1",
        ],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    log = tmp_path / "run/iterations.jsonl"
    while not log.exists() or log.read_text().count("\n") < 10:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def finish(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def test_a_silent_worker_is_lost(started):
    os.kill(children(started.pid)[2], signal.SIGSTOP)
    result = finish(started)
    assert result["workers_lost"] == [2]
    assert result["losses"][0]["cause"] == "no sign of life for 1 s (--silence)"
    assert result["shutdown_time"] < 5


def test_a_short_silence_is_nothing(started):
    frozen = children(started.pid)[2]
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(frozen, signal.SIGCONT)
    assert finish(started)["workers_lost"] == []


def test_a_job_that_is_suspended_as_a_whole_loses_nobody(started):
    """As batch systems do it: then it is not the workers that were silent."""
    ranks = [pid for _, pid in sorted(children(started.pid).items())]
    for pid in ranks:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in ranks:
        os.kill(pid, signal.SIGCONT)
    assert finish(started)["workers_lost"] == []
