"""Workers that keep results, and send one sum each (`--combine always`), on real ranks."""

import sys

import numpy as np
import pytest
from launching import command, mpiexec, mpirun

pytestmark = pytest.mark.mpi

OPTIONS = [
    "--scheme", "uc-dynamic", "--copies", "3", "--combine", "always", "--json", "--quiet",
    "--delay", "shifted-exponential:mu=50,alpha=0.002", "--check-gradient", "--iterations", "20",
    "--data", "synthetic:rows=61,features=5",
]  # fmt: skip


def slow(*cases):
    """Faults that the contract tests show in virtual time already: of the second tier."""
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


def faulty(folder, fault, *options):
    done = mpirun(5, *OPTIONS, *options, cwd=folder, script="faulty.py", FAULTS=fault)
    assert done.code == 0, done.err
    assert done.json["gradient_error"]["max"] < 1e-12
    return done.json


def test_one_payload_per_worker(tmp_path):
    result = faulty(tmp_path, "")
    assert result["communication_load"] <= 4
    assert result["combining"]["sums"] is True
    assert result["workers_lost"] == []


@pytest.mark.parametrize("kind", [*slow(["kill"], ["kill-send"]), "kill-collect"])
def test_a_worker_killed_before_its_reports_after_one_or_when_it_is_asked(
    tmp_path, fault_tolerance, kind
):
    assert faulty(tmp_path, f"{kind}:1:4")["workers_lost"] == [2]


def test_a_worker_frozen_when_it_is_asked(tmp_path, fault_tolerance):
    """Its sum is overdue long before its silence is noticed: others compute its blocks again."""
    result = faulty(tmp_path, "freeze-collect:1:4", "--silence", "2", "--iterations", "400")
    assert result["completion_time"]["max"] < 2
    assert result["workers_lost"] == [2]
    assert "no sign of life" in result["losses"][0]["cause"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("nan-sum", "not finite"), *slow(["short", "wrong header"], ["twice", None])],
)
def test_sums_and_reports_that_cannot_be_used(tmp_path, kind, reason):
    result = faulty(tmp_path, f"{kind}:1:4")
    assert {each["reason"] for each in result["refused_messages"]} == {reason} - {None}
    assert result["workers_lost"] == []


def test_it_shares_the_workers_with_other_schemes(tmp_path):
    done = command(
        mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd", "compare", "--schemes",
        "uc-dynamic:combine=always,uc-dynamic:combine=never,uc-mmc", "--copies", "3",
        *OPTIONS[6:], "--out", str(tmp_path / "out"), cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    for each in done.json["results"]:
        assert each["gradient_error"]["max"] < 1e-12


def test_a_run_that_goes_on_gives_the_same_model(tmp_path):
    whole = mpirun(5, *OPTIONS, "--out", "whole", cwd=tmp_path)
    part = mpirun(5, *OPTIONS, "--iterations", "9", "--out", "part", cwd=tmp_path)
    rest = mpirun(5, "--resume", "part", "--iterations", "20", "--json", "--quiet", cwd=tmp_path)
    for done in (whole, part, rest):
        assert done.code == 0, done.err
    assert rest.json["combining"] == whole.json["combining"]
    beta = [np.load(tmp_path / name / "beta.npy") for name in ("whole", "part")]
    np.testing.assert_allclose(*beta, rtol=1e-12)
