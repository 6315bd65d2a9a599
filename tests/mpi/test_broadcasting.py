"""A value of rank 0 becomes known to all ranks; messages of the user and trainings do not mind."""

import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi


def test_every_rank_gets_the_value_of_rank_0(tmp_path):
    done = mpirun(4, cwd=tmp_path, script="broadcasting_script.py", timeout=60)
    assert done.code == 0, done.err
    assert done.out == "all is well\n"


def test_ranks_that_wait_for_a_rank_0_that_has_ended_end_the_job(tmp_path):
    (tmp_path / "early.py").write_text(
        "import coded_dgd\n"
        "from coded_dgd.engine.transports.mpi import broadcasting\n"
        "from coded_dgd.engine.transports.mpi.library import MPI\n"
        "broadcasting.broadcast(None)\n"
        "if MPI.COMM_WORLD.rank: broadcasting.broadcast(None)\n"
    )
    done = mpirun(3, cwd=tmp_path, module="early", timeout=60)
    assert done.code == 1
    assert "rank 0 ended without calling train, where rank" in done.err
