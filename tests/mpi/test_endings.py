"""Nobody waits for the dead: whatever ends a rank of a script ends the job, with its cause."""

import re
import subprocess
import sys
import time

import pytest
from endings import FAULT_TOLERANT, LIMIT, NOT_FAULT_TOLERANT, Ending, perform
from launching import command, mpiexec, mpirun, processes_mentioning

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize(
    ("who", "when", "how", "said"),
    [
        ("all", "before", "import", "random.py hides a module of Python's own: rename it"),
        ("0", "before", "exit", "rank 0 ended without calling train"),
        ("0", "in", "exit", "rank 0"),
        ("0", "between", "exception", "planted"),
        ("2", "before", "exit-3", "rank 2 ended without calling train, where rank 0 waits"),
        ("2", "between", "exit", "rank 2 ended without calling train, where rank 0 waits"),
        ("2", "after", "exception", "planted"),
    ],
)
def test_a_rank_that_ends(tmp_path, who, when, how, said):
    verdict = perform(Ending(who, when, how))
    assert not verdict.complaint, verdict
    assert verdict.code
    assert verdict.result == (when == "after")
    assert said in verdict.stderr


@pytest.mark.parametrize(
    ("who", "when", "how", "said"),
    [
        ("0", "after", "kill", "rank 0 ended without notice"),
        ("2", "before", "kill", "was lost before it called train"),
    ],
)
def test_a_process_that_is_lost_where_mpi_survives_it(fault_tolerance, who, when, how, said):
    verdict = perform(Ending(who, when, how), **FAULT_TOLERANT)
    assert not verdict.complaint, verdict
    assert verdict.code
    assert said in verdict.stderr


@pytest.mark.parametrize(("when", "how"), [("in", "exception"), ("between", "kill")])
def test_a_worker_that_can_be_spared(fault_tolerance, when, how):
    verdict = perform(Ending("2", when, how), **FAULT_TOLERANT)
    assert not verdict.complaint, verdict
    assert verdict.code == 0
    assert verdict.result


@pytest.mark.parametrize(
    ("who", "when", "how"), [("0", "before", "exception"), ("2", "before", "exit")]
)
def test_without_fault_tolerance(fault_tolerance, who, when, how):
    verdict = perform(Ending(who, when, how), **NOT_FAULT_TOLERANT)
    assert not verdict.complaint, verdict
    assert verdict.code


def test_a_script_that_ends_well_has_code_0_and_says_nothing():
    verdict = perform(Ending("0", "after", "exit"))
    assert verdict.code == 0
    assert verdict.result
    assert verdict.stderr == ""


def test_communicators_messages_and_errors(tmp_path):
    done = mpirun(6, cwd=tmp_path, script="communicators.py", timeout=60)
    assert done.code == 0, done.err
    assert done.out == "all is well\n"
    assert any(LATE.fullmatch(line) for line in done.said), done.err


LATE = re.compile(
    r"coded-dgd: rank 0 of comm \(1 of COMM_WORLD\) has waited in train for [56] s: rank 1 of comm "
    r"\(3 of COMM_WORLD\) has not called it yet"
)

SPARED = """
import os, signal, sys
import numpy as np
from mpi4py import MPI
import coded_dgd
from coded_dgd.engine.worker import Worker
world = MPI.COMM_WORLD
half = world.Split(world.rank % 2, world.rank)
if world.rank == 5:
    original = Worker._begin
    def begin(self, point):
        if point.iteration >= 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, point)
    Worker._begin = begin
X = np.random.default_rng(0).standard_normal((40, 3))
result = coded_dgd.train(
    X, X @ [1, 2, 3], comm=half, scheme="uc-mmc", load=2, iterations=40,
    delay="shifted-exponential:mu=100,alpha=0.01",
)
if result:
    print(result.coef_.round(6).tolist(), result.summary["workers_lost"])
if half.rank == 0:
    sys.exit({code})
"""


@pytest.mark.parametrize("code", [0, 3])
def test_a_loss_in_one_of_two_communicators(tmp_path, fault_tolerance, code):
    """Ranks are those of the communicator; the other training and the exit code are left alone."""
    (tmp_path / "script.py").write_text(SPARED.format(code=code))
    begin = time.monotonic()
    done = command(mpiexec(), "-n", "6", sys.executable, "script.py", cwd=tmp_path, timeout=60)
    assert time.monotonic() - begin < LIMIT
    assert sorted(done.out.splitlines()) == ["[1.0, 2.0, 3.0] [2]", "[1.0, 2.0, 3.0] []"]
    assert bool(done.code) == bool(code), done.err


def test_the_command_line_where_a_file_hides_a_standard_module(tmp_path):
    (tmp_path / "random.py").write_text("")
    done = mpirun(4, "--scheme", "uncoded", cwd=tmp_path, timeout=30)
    assert done.code
    assert done.said
    for line in done.said:
        assert "ImportError" in line
        assert f"{tmp_path}/random.py hides a module of Python's own: rename it" in line
    assert "Traceback" not in done.err


def test_a_launcher_that_dies_leaves_no_mark_of_completion(tmp_path):
    process = subprocess.Popen(
        [
            mpiexec(), "-n", "4", sys.executable, "-m", "coded_dgd.run", "--scheme", "uncoded",
            "--iterations", "10000", "--out", str(tmp_path / "run"),
        ],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    records = tmp_path / "run/iterations.jsonl"
    deadline = time.monotonic() + 60
    while not (records.exists() and records.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while processes_mentioning(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_mentioning(str(tmp_path)) == []
    assert not (tmp_path / "run/summary.json").exists()
