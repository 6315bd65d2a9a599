"""`coded_dgd.load` gives the estimator of a run."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from half_squares import HalfSquares
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.utils.validation import check_is_fitted

import coded_dgd
from coded_dgd.cli import run_command_line
from coded_dgd.errors import CodedDGDError, DataError
from coded_dgd.estimators import (
    CodedClassifier,
    CodedLogisticRegression,
    CodedRegressor,
    CodedRidge,
)

pytestmark = pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
X, KINDS = load_iris(return_X_y=True)
WORDS = load_iris().target_names[KINDS]
OPTIONS = {"transport": "simulated", "workers": 4, "scheme": "uc-mmc", "load": 2, "out": "r"}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("kind", "objective", "y"), [
    (CodedRidge, "least-squares", KINDS),
    (CodedRegressor, "huber:delta=0.5", KINDS),
    (CodedLogisticRegression, "logistic", KINDS == 2),
    (CodedLogisticRegression, "softmax", WORDS),
    (CodedClassifier, "softmax", KINDS == 2),
])  # fmt: skip
def test_the_class_is_that_of_the_objective(kind, objective, y):
    found = coded_dgd.train(X, y, objective=objective, intercept=True, ridge=0.5, **OPTIONS)
    model = coded_dgd.load("r")
    assert type(model) is kind
    check_is_fitted(model)
    for name in ("coef_", "intercept_", "n_iter_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(found, name))
    assert model.n_features_in_ == 4 and model.summary_["scheme"] == "uc-mmc"
    assert len(model.history_) == found.n_iter_
    assert model.score(X, y) > 0.5
    assert getattr(model, "objective", objective) == objective


@pytest.mark.parametrize("labels", [[3, 7], [0.5, 1.5], ["no", "yes"]])
def test_predictions_are_labels_of_the_type_of_the_data(labels):
    y = np.array(labels)[(KINDS == 2).astype(int)]
    coded_dgd.train(X, y, objective="logistic", intercept=True, **OPTIONS)
    model = coded_dgd.load("r")
    assert model.classes_.dtype.kind == model.predict(X).dtype.kind == y.dtype.kind


def test_parameters_are_those_of_the_run():
    options = {"ridge": 0.25, "intercept": True, "standardize": True, "iterations": 7, "seed": 3,
               "stop_at": 1e-4, "optimizer": "lbfgs", "dtype": "float32", "guard": 50}  # fmt: skip
    coded_dgd.train(X, KINDS == 2, objective="logistic", delay="none", **options, **OPTIONS)
    model = coded_dgd.load(Path("r"))
    assert isinstance(model, CodedLogisticRegression)
    found = model.get_params()
    assert found.pop("options") == {"dtype": "float32", "guard": 50}
    assert found == {
        "C": 4.0, "class_weight": None, "fit_intercept": True, "standardize": True, "max_iter": 7,
        "tol": 1e-4, "warm_start": False, "random_state": 3, "scheme": "uc-mmc", "workers": 4,
        "blocks": None, "load": 2, "delay": "none", "optimizer": "lbfgs",
        "transport": "simulated", "verbose": False,
    }  # fmt: skip
    again = clone(model).fit(X, KINDS == 2)
    np.testing.assert_array_equal(again.coef_, model.coef_)


def test_a_model_without_a_run_is_enough():
    coded_dgd.train(X, WORDS, objective="softmax", **OPTIONS)
    Path("bare").mkdir()
    for name in ("model.npz", "model.json"):
        (Path("bare") / name).write_bytes((Path("r") / name).read_bytes())
    model = coded_dgd.load(Path("bare") / "model.npz")
    assert model.C == 1.0 and not hasattr(model, "n_iter_")
    np.testing.assert_array_equal(model.predict(X), coded_dgd.load("r").predict(X))


def test_a_run_of_the_command_line_is_loaded_with_the_names_of_its_columns():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame.assign(kind=WORDS).to_csv("iris.csv", index=False)
    words = ["run", "--transport", "simulated", "--workers", "4", "--scheme", "uc-mmc", "--load",
             "2", "--data", "iris.csv", "--objective", "softmax", "--quiet", "--delay", "none",
             "--optimizer", "lbfgs", "--out", "r"]  # fmt: skip
    assert run_command_line(words) == 0
    model = coded_dgd.load("r")
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert math.isinf(model.C) and model.score(frame, WORDS) > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])
    assert model.set_params(warm_start=True).fit(frame, WORDS).score(frame, WORDS) > 0.9


def test_an_objective_of_the_user_is_never_imported_by_itself():
    coded_dgd.train(X, KINDS, objective="half_squares:HalfSquares", **OPTIONS)
    with pytest.raises(CodedDGDError, match="whose code is run only if you say so") as caught:
        coded_dgd.load("r")
    assert "\n" not in str(caught.value)
    for objective in ("half_squares:HalfSquares", HalfSquares, HalfSquares()):
        model = coded_dgd.load("r", objective)
        assert isinstance(model, CodedRegressor) and model.score(X, KINDS) > 0.5


def test_what_is_no_model_of_that_objective_is_refused_in_one_line():
    with pytest.raises(DataError, match=r"has no model\.json"):
        coded_dgd.load("nowhere")
    coded_dgd.train(X, WORDS, objective="softmax", **OPTIONS)
    with pytest.raises(CodedDGDError, match="does not fit objective HalfSquares"):
        coded_dgd.load("r", HalfSquares)


@pytest.mark.parametrize("text", ["{", "[]", '{"iterations": "many"}'])
def test_a_damaged_summary_is_refused_in_one_line(text):
    coded_dgd.train(X, WORDS, objective="softmax", **OPTIONS)
    Path("r/summary.json").write_text(text)
    with pytest.raises(DataError, match=r"summary\.json cannot be read .*: remove it") as caught:
        coded_dgd.load("r")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["workers = ", "colour = 3", "workers = 'many'", "workers = 0"])
def test_a_damaged_configuration_is_refused_in_one_line(text):
    coded_dgd.train(X, WORDS, objective="softmax", **OPTIONS)
    Path("r/config.toml").write_text(text)
    with pytest.raises(DataError, match=r"or remove r/config\.toml, and the model") as caught:
        coded_dgd.load("r")
    assert "\n" not in str(caught.value) and "--config" not in str(caught.value)
