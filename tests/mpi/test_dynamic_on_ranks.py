"""A dynamic scheme of one's own on ranks: the same file as in virtual time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from launching import children, command, mpiexec, mpirun, several

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
    assert 0 < done.json["ideal_completion_time"]["mean"] < done.json["completion_time"]["mean"]
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


QUICK = (
    "--delay", "shifted-exponential:mu=50,alpha=0.005", "--data", "synthetic:rows=200,features=8",
    "--scheme", "uc-dynamic", "--check-gradient", "--json", "--quiet",
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--copies", "2"], "rank 2 on "),
        (["--copies", "1", "--on-loss", "replan"], "from iteration 3 on: uc-dynamic on 3 workers"),
        (["--copies", "1", "--spare", "1"], "rank 4 in the place of worker 2"),
        (["--copies", "2", "--replace"], "rank 5 in the place of worker 2"),
    ],
)
def test_a_killed_worker_is_survived(tmp_path, fault_tolerance, options, said):
    out = tmp_path / "run"
    done = mpirun(
        5, *QUICK, *options, "--iterations", "40", "--out", str(out), cwd=tmp_path,
        script="faulty.py", FAULTS="kill:1:3", timeout=60,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["workers_lost"] == [2]
    assert done.json["gradient_error"]["max"] <= 1e-13
    assert said in (out / "log.txt").read_text()
    own = done.json["own_tasks"]  # of those who live, where nobody takes the place of the lost
    assert sum(own) == 12 if len(own) == 3 else sum(own) == 16
    assert (" ".join(options) == "--copies 2") == (own[1] == 0)


def test_a_spare_computes_the_tasks_of_the_worker_that_it_replaces(tmp_path, fault_tolerance):
    """Nobody else holds its blocks, so each iteration needs them from the new rank."""
    out = tmp_path / "run"
    done = mpirun(
        5, *QUICK, "--copies", "1", "--spare", "1", "--iterations", "30", "--out", str(out),
        "--timeline", str(tmp_path / "t.json"), cwd=tmp_path, script="faulty.py",
        FAULTS="kill:1:3", timeout=60,
    )  # fmt: skip
    assert done.code == 0, done.err
    with np.load(out / "arrivals.npz") as arrivals:
        assert arrivals["ranks"].tolist() == [1, 4, 3]
        assert np.isfinite(arrivals["arrival"][4:, 1]).sum(axis=-1).tolist() == [4] * 26


def test_a_frozen_worker_holds_nothing_up(tmp_path, fault_tolerance):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [
            mpiexec(), "-n", "5", sys.executable, "-m", "coded_dgd.run", *QUICK, "--copies", "3",
            "--iterations", "150", "--silence", "1", "--out", str(out),
        ],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    log = out / "iterations.jsonl"
    while not log.exists() or log.read_text().count("\n") < 10:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(children(process.pid)[2], signal.SIGSTOP)
    said, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    result = json.loads(said)
    assert result["workers_lost"] == [2]
    assert result["gradient_error"]["max"] <= 1e-13
    assert result["completion_time"]["max"] < 0.9  # others took its blocks before it was lost


VARIANTS = {
    "logistic": ["--objective", "logistic", "--data", "signs.npz"],
    "softmax": ["--objective", "softmax", "--data", "classes.npz"],
    "float32": ["--dtype", "float32"],
    "sparse": ["--data", "sparse.svm"],
    "encode": ["--encode", "local", "--data", "table.npy"],
    "batch": ["--batch", "50"],
    "lbfgs": ["--optimizer", "lbfgs"],
    "all": ["--copies", "all", "--shares", "equal"],
    "own": ["--objective", "own_objective:TwoLayers", "--data", "table.npy", "--step-size", "0.01"],
}


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """What each variant has printed; all from one job."""
    folder, rng = tmp_path_factory.mktemp("variants"), np.random.default_rng(0)
    X = rng.standard_normal((120, 6))
    np.savez(folder / "signs.npz", X=X, y=np.sign(X[:, 0] + rng.standard_normal(120)))
    np.savez(folder / "classes.npz", X=X, y=rng.integers(0, 3, 120))
    np.save(folder / "table.npy", np.c_[X, X @ np.ones(6)])
    thin = np.where(rng.random((120, 30)) < 0.1, rng.standard_normal((120, 30)), 0.0)
    rows = (" ".join(f"{n + 1}:{x}" for n, x in enumerate(row) if x) for row in thin)
    (folder / "sparse.svm").write_text("".join(f"{n % 7} {row}\n" for n, row in enumerate(rows)))
    lines = [
        ["run", *QUICK, "--iterations", "12", *more, "--out", str(folder / f"run-{name}")]
        for name, more in VARIANTS.items()
    ]
    done = several(5, lines, folder, PYTHONPATH=f"{CONTRACT}:{os.environ.get('PYTHONPATH', '')}")
    return dict(zip(VARIANTS, done, strict=True))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_gradient_is_exact(variants, name):
    done = variants[name]
    assert done.code == 0, done.err
    assert done.json["gradient_error"]["max"] <= (1e-5 if name == "float32" else 1e-12)
    assert done.json["words"] >= 0


def test_a_run_goes_on_with_the_speeds_that_it_has_learnt(tmp_path):
    out = str(tmp_path / "run")
    lines = [
        ["run", *QUICK, "--copies", "4", "--delay", "persistent:ranks=2,factor=5,mu=100",
         "--iterations", "25", "--out", out],
        ["run", "--resume", out, "--iterations", "30", "--json", "--quiet"],
    ]  # fmt: skip
    first, second = several(5, lines, tmp_path)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert second.json["resumed_at"] == 25
    assert first.json["own_tasks"][1] <= 2  # of 4
    assert second.json["own_tasks"][1] <= 2
    assert second.json["gradient_error"]["max"] <= 1e-13
