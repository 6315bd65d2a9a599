"""BLAS threads: a rank's share of the cores unless the user has said how many."""

import os
import subprocess
import sys

import pytest

from coded_dgd.host import threads
from coded_dgd.host.launcher import ranks_on_host


@pytest.fixture
def clean(monkeypatch):
    """An environment in which nobody has said anything, as it was afterwards."""
    monkeypatch.setattr(threads, "_set_here", set())
    names = [
        *threads.VARIABLES, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE",
        "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS",
        "PMI_LOCAL_SIZE", "SLURM_STEP_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE",
    ]  # fmt: skip
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is put back, whoever sets it
        monkeypatch.delenv(name)
    return monkeypatch


def machine(monkeypatch, mine, host):
    monkeypatch.setattr(threads, "cores", lambda pid=0: host if pid else mine)


@pytest.mark.parametrize(
    ("mine", "host", "ranks", "number"),
    [
        (64, 64, 8, 8),  # not bound: they share the host
        (64, 64, 64, 1),
        (2, 2, 41, 1),  # more ranks than cores
        (1, 64, 8, 1),  # bound to a core each
        (4, 64, 8, 4),  # bound to four cores each
        (32, 64, 8, 8),  # four of them bound to a socket
        (4, 4, 4, 1),  # four cores of a larger machine for all of them
        (64, 64, 1, 64),
    ],
)
def test_a_rank_gets_its_share_of_the_cores(mine, host, ranks, number):
    assert threads.share(mine, host, ranks) == number


def test_it_is_set_for_every_library(clean):
    machine(clean, 64, 64)
    clean.setenv("OMPI_COMM_WORLD_RANK", "0")
    clean.setenv("OMPI_COMM_WORLD_SIZE", "32")
    clean.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "16")
    threads.set_threads()
    assert {os.environ[name] for name in threads.VARIABLES} == {"4"}
    assert threads.threads() == (4, None)


def test_virtual_time_takes_one(clean):
    machine(clean, 64, 64)
    threads.set_threads()
    assert threads.threads() == (1, None)


def test_what_the_user_says_for_all_is_left_alone(clean):
    clean.setenv("OMP_NUM_THREADS", "3,2")
    threads.set_threads()
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert threads.threads() == (3, "OMP_NUM_THREADS")


def test_what_the_user_says_for_one_library_is_left_alone(clean):
    clean.setenv("OPENBLAS_NUM_THREADS", "5")
    threads.set_threads()
    assert os.environ["MKL_NUM_THREADS"] == "1"
    assert threads.threads() == (5, "OPENBLAS_NUM_THREADS")


def test_a_library_that_nobody_has_told_takes_all_cores(clean):
    machine(clean, 6, 6)
    assert threads.threads() == (6, None)


@pytest.mark.parametrize(
    ("variables", "ranks"),
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "9"}, 9),
        (
            {
                "OMPI_COMM_WORLD_RANK": "1",
                "OMPI_COMM_WORLD_SIZE": "9",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "5",
            },
            5,
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "8", "MPI_LOCALNRANKS": "4"}, 4),
        ({"PMI_RANK": "1", "PMI_SIZE": "8", "PMI_LOCAL_SIZE": "2"}, 2),
        (
            {
                "SLURM_PROCID": "0",
                "SLURM_STEP_NUM_TASKS": "11",
                "SLURM_STEP_TASKS_PER_NODE": "4(x2),3",
            },
            4,
        ),
        (
            {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS_PER_NODE": "2"},
            2,
        ),
    ],
)
def test_launchers_say_how_many_ranks_share_the_host(clean, variables, ranks):
    for name, value in variables.items():
        clean.setenv(name, value)
    assert ranks_on_host() == ranks


def test_it_is_decided_before_numpy_loads():
    code = (
        "import sys; import coded_dgd.__main__; from coded_dgd.host.threads import set_threads; "
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_run_shows_them_where_the_user_has_set_them(clean, tmp_path):
    command = [
        sys.executable, "-m", "coded_dgd.run", "--transport", "simulated", "--workers", "4",
        "--load", "2", "--scheme", "uc-mmc", "--iterations", "2", "--out",
    ]  # fmt: skip
    said = [
        subprocess.run(
            [*command, str(tmp_path / name)], capture_output=True, text=True, check=True,
            env=os.environ | variables,
        ).stderr
        for name, variables in (("one", {}), ("two", {"OMP_NUM_THREADS": "2"}))
    ]  # fmt: skip
    assert "BLAS" not in said[0]
    assert "2 BLAS threads per rank (OMP_NUM_THREADS)" in said[1]
    assert '"blas_threads": 2' in (tmp_path / "two" / "summary.json").read_text()


def test_other_libraries_take_as_many(clean):
    machine(clean, 64, 64)
    assert threads.for_other_libraries() == 1  # without a launcher
    clean.setenv("OMPI_COMM_WORLD_RANK", "0")
    clean.setenv("OMPI_COMM_WORLD_SIZE", "16")
    assert threads.for_other_libraries() == 4  # in a script that has set nothing
    clean.setenv("OMP_NUM_THREADS", "3")
    assert threads.for_other_libraries() == 3


def test_other_libraries_take_what_has_been_set(clean):
    machine(clean, 64, 64)
    threads.set_threads(6)
    assert threads.for_other_libraries() == 6
