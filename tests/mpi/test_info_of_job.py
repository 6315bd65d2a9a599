"""``coded-dgd info`` in a job."""

import socket

import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi


def test_it_tells_of_the_job(tmp_path):
    done = mpirun(5, "info", "--json", module="coded_dgd", cwd=tmp_path)
    assert done.code == 0, done.err
    found = done.json
    assert found["ranks"] == 5
    assert found["hosts"][socket.gethostname()]["ranks"] == 5
    assert not any("do not answer" in each for each in found["warnings"])
    assert found["thread_level"] in ("single", "funneled", "serialized", "multiple")
