"""A dynamic scheme of one's own on ranks: the same file as in virtual time."""

import sys
from pathlib import Path

import numpy as np
import pytest
from launching import command, mpiexec, mpirun

CONTRACT = Path(__file__).resolve().parents[1] / "contract"
OPTIONS = ("--load", "4", "--blocks", "8", "--delay", "shifted-exponential:mu=50,alpha=0.005")

pytestmark = pytest.mark.mpi


def test_each_block_counts_once_and_late_tasks_are_dropped(tmp_path):
    done = mpirun(
        5, "--scheme", "own_dynamic:TakeNext", *OPTIONS, "--iterations", "40", "--check-gradient",
        "--json", "--out", str(tmp_path / "run"), "--timeline", str(tmp_path / "t.json"),
        cwd=CONTRACT,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["gradient_error"]["max"] < 1e-12
    assert done.json["communication_load"] >= 8
    assert done.json["ideal_completion_time"] is None
    with np.load(tmp_path / "run" / "arrivals.npz") as arrivals:
        assert arrivals["arrival"].shape == (40, 4, 4)


def test_it_shares_the_workers_with_a_fixed_scheme(tmp_path):
    done = command(
        mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd", "compare", "--schemes",
        "own_dynamic:TakeNext,uc-mmc", *OPTIONS, "--iterations", "15", "--check-gradient",
        "--json", "--quiet", "--out", str(tmp_path / "out"), cwd=CONTRACT,
    )  # fmt: skip
    assert done.code == 0, done.err
    for each in done.json["results"]:
        assert each["gradient_error"]["max"] < 1e-12
