"""Products and losses on real ranks."""

import numpy as np
import pytest
from launching import mpirun

pytestmark = pytest.mark.mpi


@pytest.fixture
def data(tmp_path):
    dice = np.random.default_rng(0)
    X = dice.standard_normal((120, 10)) * np.geomspace(1, 10, 10)
    y = X @ dice.standard_normal(10) + dice.standard_normal(120)
    np.savez(tmp_path / "squares.npz", X=X, y=y)
    np.savez(tmp_path / "classes.npz", X=X, y=np.sign(y))
    return X, y


@pytest.mark.parametrize(
    ("scheme", "objective", "optimizer"),
    [
        ("uc-mmc", "least-squares", "cg"),
        ("lcc-mmc", "least-squares", "cg"),
        ("gc", "logistic", "lbfgs"),
    ],
)
def test_they_reach_the_optimum_on_real_ranks(tmp_path, data, scheme, objective, optimizer):
    file = "classes.npz" if objective == "logistic" else "squares.npz"
    options = {
        "scheme": scheme,
        "load": 3,
        "objective": objective,
        "optimizer": "auto",
        "ridge": 0.5,
        "data": file,
        "stop-at": 1e-9,
        "iterations": 100,
        "delay": "shifted-exponential:mu=1000,alpha=0.0001",
        "out": "run",
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = mpirun(5, *given, "--json", "--check-gradient", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.json["status"] == "converged"
    assert done.json["final_gradient_norm_ratio"] <= 1.01e-9
    assert done.json["gradient_error"]["max"] < 1e-9
    assert f'optimizer = "{optimizer}"' in (tmp_path / "run" / "config.toml").read_text()
    if objective == "least-squares":
        X, y = data
        optimum = np.linalg.solve(X.T @ X + 0.5 * np.eye(10), X.T @ y)
        np.testing.assert_allclose(np.load(tmp_path / "run" / "beta.npy"), optimum, rtol=1e-7)
