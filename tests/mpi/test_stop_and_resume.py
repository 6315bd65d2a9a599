"""Stopping real ranks on request or by force, and going on: nothing that was done is lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from launching import children, mpiexec, mpirun, processes_mentioning

pytestmark = pytest.mark.mpi

ITERATIONS = 60
OPTIONS = [
    "--scheme", "lcc-mmc", "--load", "3", "--delay", "shifted-exponential:mu=50,alpha=0.01",
    "--iterations", str(ITERATIONS), "--check-gradient", "--quiet",
]  # fmt: skip


def version():
    asked = [mpiexec(), "--version"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The result of a run that is left alone."""
    folder = tmp_path_factory.mktemp("whole")
    done = mpirun(5, *OPTIONS, "--out", "run", cwd=folder)
    assert done.code == 0, done.err
    return np.load(folder / "run" / "beta.npy")


def start(cwd, *more):
    """Start the run and wait for its tenth iteration."""
    process = subprocess.Popen(
        [
            mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd.run", *OPTIONS,
            "--out", str(cwd / "run"), *more,
        ],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    arrivals = cwd / "run" / "arrivals-1.f8"
    while not arrivals.exists() or arrivals.stat().st_size < 10 * 8 * 4 * 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def end(process, cwd):
    """Wait for the end; return what was said on stderr."""
    _, err = process.communicate(timeout=30)
    deadline = time.monotonic() + 3
    while processes_mentioning(str(cwd / "run")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_mentioning(str(cwd / "run")) == []
    return err


def checkpoints(cwd):
    return sorted((cwd / "run").glob("checkpoint-*.ckpt"))


def go_on(cwd, whole):
    """Resume, and hold the result against that of the run that never stopped."""
    done = mpirun(5, "--resume", "run", "--json", "--quiet", cwd=cwd)
    assert done.code == 0, done.err
    log = [json.loads(line) for line in (cwd / "run/iterations.jsonl").read_text().splitlines()]
    assert [record["iteration"] for record in log] == list(range(ITERATIONS))
    assert max(record["gradient_error"] for record in log) <= 1e-6
    beta = np.load(cwd / "run" / "beta.npy")
    assert np.linalg.norm(beta - whole) <= 1e-10 * np.linalg.norm(whole)
    return done.json["resumed_at"]


@pytest.mark.parametrize(
    ("number", "whom"),
    [
        (signal.SIGTERM, "rank 0"),
        pytest.param(signal.SIGINT, "rank 0", marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR2, "rank 0", marks=pytest.mark.slow),
        (signal.SIGUSR2, "mpiexec"),
    ],
)
def test_a_request_to_stop(tmp_path, whole, number, whom):
    if whom == "mpiexec" and "HYDRA" in version():
        pytest.skip("this mpiexec does not pass SIGUSR2 on: it ends of it")
    process = start(tmp_path)
    asked = time.time()
    os.kill(children(process.pid)[0] if whom == "rank 0" else process.pid, number)
    err = end(process, tmp_path)
    assert process.returncode == 75, err
    (line,) = [line for line in err.splitlines() if line.startswith("coded-dgd: ")]
    assert f"--resume {tmp_path / 'run'} goes on from there" in line
    (checkpoint,) = checkpoints(tmp_path)
    assert checkpoint.stat().st_mtime - asked < 1
    assert go_on(tmp_path, whole) >= 9


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_mpiexec_asked_to_stop_leaves_time_for_a_checkpoint(tmp_path, whole, number):
    process = start(tmp_path)
    process.send_signal(number)
    end(process, tmp_path)
    if not re.search(r"HYDRA[^$]*Version: +4\.0", version()):  # that one returns 0
        assert process.returncode != 0
    assert len(checkpoints(tmp_path)) == 1
    assert go_on(tmp_path, whole) >= 9


def test_two_interrupts_end_at_once(tmp_path):
    process = start(tmp_path)
    ranks = children(process.pid)
    os.kill(ranks[1], signal.SIGSTOP)  # so that stopping would take the bound of 10 s
    os.kill(ranks[0], signal.SIGINT)
    while not checkpoints(tmp_path):
        time.sleep(0.01)
    os.kill(ranks[0], signal.SIGINT)
    asked = time.monotonic()
    while 0 in children(process.pid):
        time.sleep(0.01)
    assert time.monotonic() - asked < 3
    with suppress(ProcessLookupError):  # mpiexec may have killed it
        os.kill(ranks[1], signal.SIGCONT)
    end(process, tmp_path)
    assert process.returncode != 0


@pytest.mark.parametrize("whom", ["rank 0", "mpiexec", pytest.param("all", marks=pytest.mark.slow)])
def test_a_job_killed_by_force(tmp_path, whole, fault_tolerance, whom):
    process = start(tmp_path, "--checkpoint-every", "1")
    ranks = children(process.pid)
    victims = {"rank 0": [ranks[0]], "mpiexec": [process.pid]}
    for pid in victims.get(whom, [process.pid, *ranks.values()]):
        os.kill(pid, signal.SIGKILL)
    end(process, tmp_path)
    assert process.returncode != 0
    assert len(checkpoints(tmp_path)) == 2
    assert go_on(tmp_path, whole) >= 9


def test_a_job_queued_twice_waits_for_the_first_and_goes_on_from_elsewhere(tmp_path):
    """With data, and an objective of one's own, that are where the run was started."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    np.save(tmp_path / "a.npy", np.c_[X, X @ [1, 2, 3, 4]])
    (tmp_path / "my_objective.py").write_text(
        "from coded_dgd.problems.objectives.least_squares import LeastSquares\n"
        "class Mine(LeastSquares): pass\n"
    )
    own = ["--data", "a.npy", "--objective", "my_objective:Mine", "--checkpoint-every", "1"]
    process = start(tmp_path, *own)
    os.kill(children(process.pid)[0], signal.SIGSTOP)  # a frozen master still is one
    again = ["--resume", "../run", "--quiet"]
    refused = mpirun(5, *again, cwd=elsewhere)
    assert refused.code == 2
    (line,) = refused.said
    assert "--resume ../run: this run still goes on, as process" in line
    assert "--wait-for-run" in line
    waiting = subprocess.Popen(
        [mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd.run", *again, "--wait-for-run"],
        cwd=elsewhere,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1)
    assert waiting.poll() is None, waiting.communicate()
    for pid in (process.pid, *children(process.pid).values()):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    log = [
        json.loads(line) for line in (tmp_path / "run/iterations.jsonl").read_text().splitlines()
    ]
    assert [record["iteration"] for record in log] == list(range(ITERATIONS))
    np.testing.assert_allclose(np.load(tmp_path / "run/beta.npy"), [1, 2, 3, 4], atol=1e-3)


def test_on_another_number_of_ranks(tmp_path, whole):
    process = start(tmp_path)
    os.kill(children(process.pid)[0], signal.SIGTERM)
    end(process, tmp_path)
    refused = mpirun(4, "--resume", "run", "--quiet", cwd=tmp_path)
    assert refused.code == 2
    (line,) = refused.said
    assert "--allow-different-workers" in line
    done = mpirun(
        4, "--resume", "run", "--allow-different-workers", "--json", "--quiet", cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert done.json["workers"] == 3
    beta = np.load(tmp_path / "run" / "beta.npy")
    assert np.linalg.norm(beta - whole) <= 1e-10 * np.linalg.norm(whole)
