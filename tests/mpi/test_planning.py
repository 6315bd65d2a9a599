"""Planning on real ranks."""

import json
import sys

import numpy as np
import pytest
from launching import command, mpiexec, mpirun, processes_mentioning

pytestmark = pytest.mark.mpi

SLOW = "persistent:ranks=2,factor=5,mu=200,alpha=0.02"
DATA = "synthetic:rows=600,features=30"


def test_plan_measures_every_rank_and_recommends(tmp_path):
    done = command(
        mpiexec(), "-n", "6", sys.executable, "-m", "coded_dgd", "plan", "--delay", SLOW,
        "--data", DATA, "--probe", "12", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert processes_mentioning(str(tmp_path)) == []
    found = done.json
    assert found["delays"][0]["delay"].startswith("measured, nearest law ")
    assert found["choice"]["scheme"] != "uncoded"
    assert found["verdict"] in done.err
    assert found["over_uncoded"]["value"] < 0.8
    assert "mpiexec -n 6 coded-dgd run --scheme" in done.err
    measured = found["inputs"]["measured"]
    assert 0 < measured["network"]["latency"][-1] < 1
    assert 0 < measured["network"]["service"][-1] < 0.1
    assert len(measured["finish"][0]) == 5
    # nothing is left behind but what was asked for
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "plan.json").write_text(done.out)
    again = command(
        sys.executable, "-m", "coded_dgd", "plan", "--from", "plan.json", "--json", cwd=tmp_path
    )
    assert again.code == 0, again.err
    assert again.json["delays"] == found["delays"]
    names = [{each["scheme"] for each in plan["candidates"]} for plan in (found, again.json)]
    assert names[0] == names[1]


def test_a_scheme_is_chosen_and_trained_in_one_job(tmp_path):
    done = mpirun(
        6, "--scheme", "auto", "--delay", SLOW, "--data", DATA, "--iterations", "30", "--json",
        "--check-gradient", "--out", str(tmp_path / "run"), cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert processes_mentioning(str(tmp_path)) == []
    result, recorded = done.json, json.loads((tmp_path / "run" / "plan.json").read_text())
    assert result["scheme"] == recorded["choice"]["scheme"]
    assert result["iterations"] == 30
    assert result["gradient_error"]["max"] <= 1e-6
    assert result["workers_lost"] == []
    planned = result["planned"]["iteration_time"]
    assert planned["predicted"] > 0.02  # one task of a fast worker
    assert planned["measured"] == pytest.approx(
        (result["training_time"] - result["check_time"] - result["checkpoint_time"]) / 30
    )
    resumed = mpirun(
        6, "--resume", str(tmp_path / "run"), "--iterations", "33", "--json", cwd=tmp_path
    )
    assert resumed.code == 0, resumed.err
    assert resumed.json["scheme"] == result["scheme"]


def test_a_worker_that_becomes_slow_is_done_without(tmp_path):
    durations = np.full((100, 5), 0.02)
    durations[:, 1:] *= np.random.default_rng(2).uniform(1, 1.5, (100, 4))
    durations[30:, 2] *= 15
    np.save(tmp_path / "slow.npy", durations)
    done = mpirun(
        6, "--scheme", "uncoded", "--delay", "trace:slow.npy", "--data", DATA,
        "--iterations", "100", "--adapt", "--check-gradient", "--json", "--out", "run",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert processes_mentioning(str(tmp_path)) == []
    (change,) = done.json["adaptations"]
    assert change["why"] == "worker 3 slow"
    assert change["to"]["ranks"] == [1, 2, 4, 5]
    assert change["measured"] < 0.5 * change["replaced"]
    assert done.json["gradient_error"]["max"] <= 1e-6
    assert f"from iteration {change['iteration']} on" in done.err


def test_wrong_usage_ends_the_job(tmp_path):
    done = command(
        mpiexec(), "-n", "3", sys.executable, "-m", "coded_dgd", "plan", "--schemes", "nosuch",
        "--probe", "2", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 2
    assert len(done.said) == 1
    assert processes_mentioning(str(tmp_path)) == []
