"""Reports on runs of real ranks that have not come to their end."""

import sys

import pytest
from launching import command, mpirun

pytestmark = pytest.mark.mpi

QUICK = ["--delay", "shifted-exponential:mu=200,alpha=0.002", "--scheme", "uncoded", "--quiet"]


def report_after(cwd, faults, *options):
    """What is told of a run that these faults end."""
    done = mpirun(5, *QUICK, *options, "--out", "run", cwd=cwd, script="faulty.py", FAULTS=faults)
    assert done.code in (1, 4), done.err
    told = command(sys.executable, "-m", "coded_dgd", "report", "run", cwd=cwd)
    assert told.code == 0, told.err
    return told.out


def test_a_run_that_lost_too_many_workers(tmp_path, fault_tolerance):
    told = report_after(tmp_path, "kill:1:3")
    assert "3 of 100 iterations, ended early: " in told
    assert "rank 2 on " in told


def test_a_run_that_was_planned_anew_before(tmp_path, fault_tolerance):
    faults = "kill:1:3 raise:0:8 raise:2:8 raise:3:8"
    told = report_after(tmp_path, faults, "--on-loss", "replan")
    assert "8 of 100 iterations, ended early: " in told
    assert "from iteration 3 on: uncoded on 3 workers" in told
    assert "slow throughout   " in told
