"""Runs with --intercept and --standardize hand back the model of the data as they are."""

import json

import numpy as np
import pytest
import scipy.sparse as sp

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import UsageError
from coded_dgd.problems.objectives import Objective

RNG = np.random.default_rng(3)
ROWS, FEATURES = 83, 5
X = RNG.standard_normal((ROWS, FEATURES)) * [1, 2, 0.1, 30, 1] + [1e3, -5, 0, 1e4, 2]
Y = X @ [1.0, -2.0, 3.0, 0.01, 0.5] + 7 + RNG.standard_normal(ROWS)
SIGNS = np.sign(Y - Y.mean())
SPARSE = np.where(RNG.random((ROWS, FEATURES)) < 0.4, RNG.standard_normal((ROWS, FEATURES)), 0)
RIDGE = 2.0


def fit(X=X, y=Y, **options):
    options = {"workers": 6, "iterations": 40, "optimizer": "nesterov"} | options
    return train(X, y, transport="simulated", check_gradient=True, **options)


def ridge_regression(X, y, squares):
    """Coefficients and intercept in one process; `squares` are the ridge of each column."""
    mean = X.mean(axis=0)
    rows = np.vstack([X - mean, np.diag(np.sqrt(squares))])
    labels = np.append(y - y.mean(), np.zeros(len(squares)))
    coef = np.linalg.lstsq(rows, labels, rcond=None)[0]
    return coef, y.mean() - coef @ mean


SCHEMES = {
    "uncoded": {},
    "uc-mmc": {"load": 3},
    "gc": {"load": 3},
    "lcc": {"load": 3},
    "lcc-mmc": {"load": 3},
    "mds-mmc": {"load": 3},
    "sgc": {"wait": "all"},
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_schemes_find_the_model_of_one_process(scheme):
    found = fit(
        X + 1e6, scheme=scheme, iterations=300, ridge=RIDGE, intercept=True, standardize=True,
        **SCHEMES[scheme],
    )  # fmt: skip
    coef, intercept = ridge_regression(X + 1e6, Y, RIDGE * X.var(axis=0))
    assert found.summary["gradient_error"]["max"] < 1e-12
    assert found.summary["distance_to_optimum"] < 1e-9
    np.testing.assert_allclose(found.coef_, coef, rtol=1e-8)
    np.testing.assert_allclose(found.intercept_, intercept, rtol=1e-8)


@pytest.mark.parametrize("scheme", ["uc-mmc", "lcc-mmc"])
@pytest.mark.parametrize("standardize", [False, True])
def test_sparse_data_end_where_dense_ones_do(scheme, standardize):
    options = {"scheme": scheme, "load": 3, "iterations": 400, "ridge": RIDGE, "intercept": True}
    dense = fit(SPARSE, standardize=standardize, **options)
    sparse = fit(sp.csr_array(SPARSE), standardize=standardize, **options)
    assert sparse.summary["kernel"] == "products" if scheme == "lcc-mmc" else "sparse"
    np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=1e-8)
    np.testing.assert_allclose(sparse.intercept_, dense.intercept_, rtol=1e-8)
    coef, intercept = ridge_regression(SPARSE, Y, RIDGE * (SPARSE.var(axis=0) ** standardize))
    np.testing.assert_allclose(dense.coef_, coef, rtol=1e-8)
    np.testing.assert_allclose(dense.intercept_, intercept, rtol=1e-8)


def test_centring_keeps_the_digits_that_a_column_of_ones_loses():
    shifted = X[:, :2] / [1, 2] + 1e6
    ones = np.column_stack([shifted, np.ones(ROWS)])
    options = {"scheme": "lcc-mmc", "load": 4, "workers": 4, "optimizer": "gd"}
    with pytest.warns(UserWarning, match="not converged"):
        by_hand = fit(ones, iterations=60, **options).summary
    centred = fit(shifted, iterations=60, intercept=True, **options).summary
    assert by_hand["distance_to_optimum"] > 1 and centred["distance_to_optimum"] < 1e-6


def test_without_an_intercept_standardize_only_scales():
    options = {"scheme": "uc-mmc", "load": 3, "iterations": 5, "ridge": RIDGE}
    found, by_hand = fit(standardize=True, **options), fit(X / X.std(axis=0), **options)
    np.testing.assert_allclose(found.coef_ * X.std(axis=0), by_hand.coef_, rtol=1e-10)
    assert found.intercept_ == 0.0


@pytest.mark.parametrize("scheme", ["gc", "uc-mmc"])
def test_classifiers_have_an_intercept_of_their_own(scheme):
    found = fit(
        y=SIGNS, scheme=scheme, load=3, objective="logistic", intercept=True, standardize=True,
        ridge=RIDGE, iterations=500,
    )  # fmt: skip
    assert (found.coef_.shape, found.intercept_.shape) == ((1, FEATURES), (1,))
    assert found.classes_.tolist() == [-1, 1]
    margins = X @ found.coef_[0] + found.intercept_
    slopes = -SIGNS / (1 + np.exp(SIGNS * margins))
    assert abs(slopes.sum()) < 1e-8  # no ridge on the intercept
    gradient = slopes @ (X - X.mean(axis=0)) + RIDGE * X.var(axis=0) * found.coef_[0]
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    assert found.summary["accuracy"] == np.mean(np.sign(margins) == SIGNS)


class Own(Objective):
    """A model that is not a loss of X beta."""

    def gradient(self, X, y, beta, weights):
        error = X @ beta - y
        return (error if weights is None else weights * error) @ X

    def loss(self, X, y, beta, weights=None):
        return float(((X @ beta - y) ** 2).sum()) / 2


def test_other_models_have_no_intercept_but_may_be_scaled():
    options = {"objective": Own(), "step_size": 1e-8, "scheme": "gc", "load": 2}
    with pytest.raises(UsageError, match=r"^--intercept .* objective Own is none: give its model"):
        fit(intercept=True, **options)
    scaled = fit(standardize=True, iterations=4, **options)
    by_hand = fit(X / X.std(axis=0), iterations=4, **options)
    np.testing.assert_allclose(scaled.coef_, by_hand.coef_, rtol=1e-10)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", np.column_stack([X, Y]))
    return ["--data", "data.npy", "--intercept", "--standardize", "--ridge", str(RIDGE)]


SIMULATED = ["--transport", "simulated", "--workers", "4", "--iterations", "8", "--quiet"]
COMMANDS = {
    "run": ["run", "--scheme", "lcc-mmc", "--load", "2", "--json"],
    "compare": ["compare", "--schemes", "uc-mmc,gc,lcc-mmc", "--load", "4", "--json"],
    "plan": ["plan", "--probe", "3", "--schemes", "sgc,uc-mmc", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_take_the_options(data, capsys, command):
    assert run_command_line([*COMMANDS[command], *SIMULATED, *data]) == 0
    found = json.loads(capsys.readouterr().out)
    if command == "compare":
        losses = [each["loss"] for each in found["results"]]
        assert losses == pytest.approx([fit_loss(8)] * 3, rel=1e-6)
    if command == "run":
        assert found["loss"] == pytest.approx(fit_loss(8), rel=1e-6)


def fit_loss(iterations):
    return fit(
        workers=4, scheme="uc-mmc", load=2, intercept=True, standardize=True, ridge=RIDGE,
        iterations=iterations, optimizer="gd",
    ).summary["loss"]  # fmt: skip


def test_simulate_trains_with_the_options(data, capsys):
    assert run_command_line(
        ["simulate", "--scheme", "sgc", "--train", "30", "--realisations", "50", "--workers", "4",
         "--json", "--quiet", *data]
    ) == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["training"]["distance_to_optimum"] < 1e-9


def test_workers_that_read_the_data_prepare_them_alike(data):
    options = ["run", "--scheme", "uc-mmc", "--load", "2", *SIMULATED, *data]
    assert run_command_line([*options, "--out", "master"]) == 0
    assert run_command_line([*options, "--out", "local", "--encode", "local"]) == 0
    np.testing.assert_array_equal(np.load("master/beta.npy"), np.load("local/beta.npy"))


def test_a_run_goes_on_in_the_units_of_its_training(data):
    options = ["run", "--scheme", "uc-mmc", "--load", "2", *SIMULATED, *data]
    assert run_command_line([*options, "--out", "whole", "--iterations", "16"]) == 0
    assert run_command_line([*options, "--out", "parts"]) == 0
    assert run_command_line(["run", "--resume", "parts", "--iterations", "16", "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("parts/beta.npy"), np.load("whole/beta.npy"))


def test_other_data_would_be_scaled_otherwise(data, capsys):
    options = ["run", "--scheme", "uc-mmc", "--load", "2", *SIMULATED, *data]
    assert run_command_line([*options, "--out", "run"]) == 0
    np.save("data.npy", np.column_stack([X + 1, Y]))
    more = ["--iterations", "16", "--allow-different-data", "--quiet"]
    assert run_command_line(["run", "--resume", "run", *more]) == 2
    assert "are centred and scaled by the data that it was trained on" in capsys.readouterr().err
