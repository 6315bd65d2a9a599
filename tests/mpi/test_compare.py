"""Several schemes in one job on real ranks."""

import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from launching import command, mpiexec, mpirun, processes_mentioning

pytestmark = pytest.mark.mpi

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FAST = "shifted-exponential:mu=50,alpha=0.005"
SCHEMES = ["uncoded", "gc", "lcc", "lcc-mmc", "lcc-mmc-2", "uc-mmc", "mds-mmc", "sgc"]


def compare(ranks, *arguments, cwd, **env):
    return command(
        mpiexec(), "-n", str(ranks), sys.executable, "-m", "coded_dgd", "compare", *arguments,
        cwd=cwd, **env,
    )  # fmt: skip


def test_all_schemes_in_one_launch_on_the_same_delays(tmp_path):
    options = ["--schemes", ",".join(SCHEMES), "--load", "4", "--delay", FAST, "--iterations", "20"]
    done = compare(5, *options, "--json", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert processes_mentioning(str(tmp_path)) == []
    measured = done.json
    alone = ["--transport", "simulated", "--workers", "4", "--json", "--quiet"]
    virtual = command(
        sys.executable, "-m", "coded_dgd", "compare", *options, *alone, cwd=tmp_path
    ).json
    assert [each["scheme"] for each in measured["results"]] == SCHEMES
    for real, ideal in zip(measured["results"], virtual["results"], strict=True):
        mean = real["ideal_completion_time"]["mean"]
        assert mean == pytest.approx(ideal["completion_time"]["mean"], rel=1e-9)
        assert mean < real["completion_time"]["mean"] < mean + 0.1
        assert real["gradient_error"]["max"] <= 1e-8
        assert real["iterations"] == 20
        low, high = real["speed_up"]["interval"]
        assert low <= real["speed_up"]["measured"] <= high
    with (tmp_path / "out" / "iterations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 * len(SCHEMES)
    first = Counter(row["scheme"] for row in rows if row["position"] == "0")
    assert len(first) >= 4  # they take turns
    # what was sent and not needed was late for the scheme that sent it
    wasted = {each["scheme"]: each["wasted_messages"] for each in measured["results"]}
    assert wasted["uncoded"] == wasted["sgc"] == 0  # these wait for all there is


def test_a_worker_that_fails_is_missing_in_all_schemes(tmp_path):
    done = mpirun(
        5, "--schemes", "uncoded,uc-mmc,gc", "--load", "2", "--delay", FAST, "--iterations", "12",
        "--json", cwd=tmp_path, script="faulty.py", FAULTS="raise:1:4", COMMAND="compare",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert processes_mentioning(str(tmp_path)) == []
    result = done.json
    assert [each["scheme"] for each in result["results"]] == ["uc-mmc", "gc"]
    (left_out,) = result["left_out"]
    assert left_out["scheme"] == "uncoded"
    assert "rank 2 on " in left_out["reason"]
    for each in result["results"]:
        assert each["workers_lost"] == [2]
        assert each["gradient_error"]["max"] <= 1e-10
    assert done.err.count("warning: rank 2 on ") == 1


def test_wrong_usage_is_one_line(tmp_path):
    done = compare(3, "--schemes", "lcc,gc", "--redundancy", "2", cwd=tmp_path)
    assert done.code == 2
    assert done.said == ["coded-dgd: --redundancy means nothing to lcc, gc: leave it out"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_benchmark_of_figure_2(tmp_path):
    pytest.importorskip("matplotlib")
    done = command(
        sys.executable, str(BENCHMARKS / "mmc_fig2.py"), "--ranks", "5", "--loads", "2", "4",
        "--schemes", "uncoded,gc,lcc-mmc-3", "--iterations", "3", "--delay", FAST,
        "--out", str(tmp_path / "out"), cwd=tmp_path,
    )  # fmt: skip
    assert done.code in (0, 1), done.err  # of so few iterations the mean may be anything
    rows = [line.split("|")[1:-1] for line in done.out.splitlines()[2:]]
    assert [(row[0].strip(), row[1].strip()) for row in rows] == [
        (load, name) for load in ("2", "4") for name in ("uncoded", "gc", "lcc-mmc-3")
    ]
    for *_, close, sampled, _ in rows[:2]:
        assert {close.strip(), sampled.strip()} <= {"yes", "NO"}
    assert "--load" in rows[2][2]
    assert (tmp_path / "out" / "mmc-fig2-measured.png").stat().st_size > 0


@pytest.mark.slow
def test_the_benchmark_of_times_to_a_target(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3)) * [1, 20, 1]
    y = np.sign(X @ [1, 0.1, -1] + rng.standard_normal(60))
    np.save(tmp_path / "data.npy", np.column_stack([X, y]))
    done = command(
        sys.executable, str(BENCHMARKS / "time_to_accuracy.py"), "--data", "data.npy", "--workers",
        "4", "--optimizers", "gd,nesterov", "--schemes", "uc-mmc", "--target", "1e-3", "--delay",
        "shifted-exponential:mu=500,alpha=0.001", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    _, loop, gd, nesterov, _ = (line.split() for line in done.out.splitlines())
    assert loop[:4] == ["logistic", "scipy", "Allreduce", "1"]
    assert gd == ["logistic", "gd", "uc-mmc", "4", "not", "reached", ">200", "-"]
    assert nesterov[:4] == ["logistic", "nesterov", "uc-mmc", "4"]
    assert float(nesterov[6]) == pytest.approx(float(nesterov[4]) / float(loop[4]), rel=0.1)
    assert 5 < int(loop[5]) < int(nesterov[5]) < 200


def test_a_target_on_real_ranks(tmp_path):
    options = [
        "--schemes", "uncoded,uc-mmc", "--load", "2", "--delay", FAST, "--optimizers",
        "gd,cg,lbfgs", "--until", "1e-3", "--data", "synthetic:rows=61,features=8", "--json",
    ]  # fmt: skip
    done = compare(5, *options, "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert processes_mentioning(str(tmp_path)) == []
    results = done.json["results"]
    assert [each["name"] for each in results] == [
        f"{scheme} + {optimizer}"
        for scheme in ("uncoded", "uc-mmc")
        for optimizer in ("gd", "cg", "lbfgs")
    ]
    for each in results:
        found = each["to_target"]
        assert found["reached"]
        assert found["iterations"] == each["iterations"] < 60
        assert found["ideal_seconds"] < found["seconds"] < found["ideal_seconds"] + 1.0
        assert found["seconds"] <= each["training_time"]
    counts = [each["iterations"] for each in results]
    assert counts[:3] == counts[3:]  # the optimizer decides, not the scheme
