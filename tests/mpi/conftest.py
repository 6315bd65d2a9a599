"""What the tests on real ranks share."""

import sys

import pytest
from launching import command, mpiexec

ASK = "from coded_dgd.engine.transports.mpi.library import fault_tolerant; print(fault_tolerant())"


@pytest.fixture(scope="session")
def fault_tolerance(tmp_path_factory):
    """Skip where the MPI does not survive the loss of a process."""
    done = command(
        mpiexec(), "-n", "1", sys.executable, "-c", ASK, cwd=tmp_path_factory.mktemp("ask")
    )
    if done.out.strip() != "True":
        pytest.skip("this MPI ends a job that loses a process: no ULFM, or not switched on")
