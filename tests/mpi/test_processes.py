"""Rank 0 shares a simulation with processes of its own, which are no ranks."""

import sys

import pytest
from launching import command, mpiexec, mpirun

pytestmark = pytest.mark.mpi

SCRIPT = """
from mpi4py import MPI

from coded_dgd import delays, schemes
from coded_dgd.theory.monte_carlo import simulate

if MPI.COMM_WORLD.rank == 0:
    scheme, delay = schemes.create("uc-mmc", 12, load=6), delays.create("pareto", 0)
    alone, shared = (simulate(scheme, delay, 20_000, 0, jobs).mean for jobs in (1, 3))
    print(alone == shared)
MPI.COMM_WORLD.Barrier()
"""


def test_processes_started_by_rank_0_leave_mpi_alone(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = command(mpiexec(), "-n", "3", sys.executable, str(script), cwd=tmp_path, timeout=60)
    assert (done.code, done.out.split()) == (0, ["True"]), done.err


def test_many_ranks_leave_one_after_the_other(tmp_path):
    """Open MPI's mpiexec tells of each broken pipe to a rank that leaves, and aborts after ten."""
    done = mpirun(41, "--scheme", "lcc-mmc", "--iterations", "2", "--quiet", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "pmix_ptl_base" not in done.err
