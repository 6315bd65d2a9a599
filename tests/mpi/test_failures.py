"""Faults on any rank end the job at once: one message, a non-zero code, nobody left over."""

import time

import pytest
from launching import mpirun, processes_mentioning

pytestmark = pytest.mark.mpi

QUICK = ["--delay", "shifted-exponential:mu=200,alpha=0.002", "--quiet"]


def run_faulty(cwd, fault, *arguments, timeout=60.0):
    begin = time.monotonic()
    done = mpirun(5, *QUICK, *arguments, cwd=cwd, script="faulty.py", FAULT=fault, timeout=timeout)
    assert processes_mentioning(str(cwd)) == []
    return done, time.monotonic() - begin


@pytest.mark.parametrize("worker", [0, 3])
@pytest.mark.parametrize("iteration", [0, 4])
def test_an_exception_on_a_worker(tmp_path, worker, iteration):
    out = str(tmp_path / "run")
    done, seconds = run_faulty(tmp_path, f"raise:{worker}:{iteration}", "--out", out)
    assert done.code == 1
    (line,) = done.said
    assert f"rank {worker + 1} on " in line
    assert f"iteration {iteration}" in line
    assert "ZeroDivisionError: planted fault" in line
    assert "Traceback" not in done.err
    assert seconds < 20


def test_an_exception_while_a_worker_loads_its_data(tmp_path):
    done, _ = run_faulty(tmp_path, "load:1:0", "--out", str(tmp_path / "run"))
    assert done.code == 1
    (line,) = done.said
    assert "rank 2 on " in line
    assert "MemoryError: planted while loading" in line


def test_an_exception_before_a_worker_takes_its_data(tmp_path):
    done, seconds = run_faulty(
        tmp_path, "build:1:0", "--data", "synthetic:rows=4000,features=200", "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    assert done.code == 1
    (line,) = done.said
    assert "MemoryError: planted while building" in line
    assert seconds < 8  # nobody waits until the bound


def test_an_exception_on_the_master(tmp_path):
    done, _ = run_faulty(tmp_path, "master:0:0", "--out", str(tmp_path / "run"))
    assert done.code == 1
    (line,) = done.said
    assert "rank 0 on " in line
    assert "ArithmeticError: planted in the master" in line
    assert "Traceback" not in done.err


def test_a_hanging_worker_does_not_hold_up_the_end(tmp_path):
    done, seconds = run_faulty(
        tmp_path, "hang:1:0", "--scheme", "lcc-mmc", "--iterations", "5", "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    assert done.code == 0  # the run is done and complete
    assert (tmp_path / "run" / "beta.npy").exists()
    assert any("rank 2 " in line and "did not stop" in line for line in done.said), done.err
    assert seconds < 30


def test_divergence_names_a_safe_step(tmp_path):
    done = mpirun(3, *QUICK, "--step-size", "1", cwd=tmp_path)
    assert done.code == 3
    (line,) = done.said
    assert "--step-size auto" in line
