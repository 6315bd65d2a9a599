"""``coded-dgd info`` in a job."""

import os
import socket
import sys
from pathlib import Path

import pytest
from launching import command, mpiexec, mpirun

pytestmark = pytest.mark.mpi


def test_it_tells_of_the_job(tmp_path):
    done = mpirun(5, "info", "--json", module="coded_dgd", cwd=tmp_path)
    assert done.code == 0, done.err
    found = done.json
    assert found["ranks"] == 5
    assert found["hosts"][socket.gethostname()]["ranks"] == 5
    assert not any("do not answer" in each for each in found["warnings"])
    assert found["settings_of"] == "a job of mpiexec"
    path = os.pathsep.join([str(Path(mpiexec()).parent), os.environ["PATH"]])
    alone = command(sys.executable, "-m", "coded_dgd", "info", "--json", cwd=tmp_path, PATH=path)
    for name in ("settings_of", "fault_tolerance", "yields_when_idle"):
        assert alone.json[name] == found[name]
    assert found["thread_level"] in ("single", "funneled", "serialized", "multiple")
