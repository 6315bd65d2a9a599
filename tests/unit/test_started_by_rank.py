"""Processes that a rank starts are no ranks: they load no MPI library."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing

def loaded():
    from coded_dgd.errors import UsageError
    try:
        from coded_dgd.engine.transports.mpi import library
    except UsageError as error:
        return str(error)

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(loaded))
"""


@pytest.mark.parametrize("size", [1, 3])
def test_a_process_that_a_rank_starts_is_refused_before_mpi_is_loaded(size, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    rank = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": str(size)}
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, **rank}, capture_output=True, text=True
    )
    assert "under mpiexec only the ranks themselves train" in done.stdout, done.stderr
    assert "leave n_jobs out" in done.stdout
