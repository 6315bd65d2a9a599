"""Payloads that are not one number for each column, on real ranks."""

from pathlib import Path

import numpy as np
import pytest
from launching import mpirun

from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source

pytestmark = pytest.mark.mpi

OWN = Path(__file__).resolve().parents[1] / "contract"
DATA = "synthetic:rows=41,features=3"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_objective_and_an_optimizer_of_ones_own(tmp_path, monkeypatch, dtype):
    for name in ("own_objective.py", "own_optimizer.py"):
        (tmp_path / name).write_text((OWN / name).read_text())
    options = {
        "scheme": "uc-mmc",
        "load": 3,
        "objective": "own_objective:TwoLayers:scale=0.5",
        "optimizer": "own_optimizer:Backtracking:enough=0.25",
        "step-size": 1,
        "data": DATA,
        "iterations": 12,
        "delay": "none",
        "seed": 4,
        "dtype": dtype,
        "out": "run",
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = mpirun(4, *given, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.json["status"] == "done"
    monkeypatch.syspath_prepend(OWN)
    objective = __import__("own_objective").TwoLayers(0.5)
    problem = Problem(open_source(DATA, 4), objective)
    optimizer = __import__("own_optimizer").Backtracking(problem.start(4), lambda _: 1.0, 0.25)
    for _ in range(12):
        optimizer.update(problem.gradient(optimizer.point), problem.loss(optimizer.point))
    assert optimizer.step < 1
    limit = 1e-10 if dtype == "float64" else 1e-4
    beta = np.load(tmp_path / "run" / "beta.npy")
    assert np.linalg.norm(beta - optimizer.beta) <= limit * np.linalg.norm(optimizer.beta)


LOADS = """import time
from coded_dgd.problems.objectives.least_squares import LeastSquares
time.sleep(1)
class Loads(LeastSquares):
    overhead_seconds = 1.0
"""


def test_what_an_objective_loads_is_no_part_of_the_first_iteration(tmp_path):
    (tmp_path / "loads.py").write_text(LOADS)
    done = mpirun(
        3, "--scheme", "uncoded", "--objective", "loads:Loads", "--data", DATA, "--iterations", "3",
        "--delay", "none", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["startup_time"] > 2  # rank 0 loads first, then the workers
    assert done.json["training_time"] < 1


def test_codes_with_and_without_a_loss_beside_the_gradient_share_connections(tmp_path):
    (tmp_path / "own_optimizer.py").write_text((OWN / "own_optimizer.py").read_text())
    options = {
        "schemes": "mds-mmc,lcc-mmc,uc-mmc",
        "load": 3,
        "optimizer": "own_optimizer:Backtracking",
        "step-size": 1,
        "data": DATA,
        "iterations": 10,
        "delay": "none",
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = mpirun(4, "compare", *given, "--json", cwd=tmp_path, module="coded_dgd")
    assert done.code == 0, done.err
    losses = [scheme["loss"] for scheme in done.json["results"]]
    assert len(losses) == 3
    np.testing.assert_allclose(losses, losses[0], rtol=1e-9)
