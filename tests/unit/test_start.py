"""A training begins at an earlier model with --start."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import CodedDGDError, DataError
from coded_dgd.problems.objectives.base import Objective

pytestmark = pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
RNG = np.random.default_rng(3)
X = RNG.standard_normal((60, 3)) * [1, 5, 20] + [3, 0, -100]
Z = (X - X.mean(0)) / X.std(0) @ [1.0, -2.0, 0.5] + RNG.standard_normal(60)
LABELS = {"logistic": np.sign(Z), "softmax": np.digitize(Z, [-1.0, 1.0]) * 1.0}
OPTIONS = {"transport": "simulated", "workers": 4, "scheme": "uc-mmc", "load": 2}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(objective="least-squares", X=X, **options):
    y = LABELS.get(objective, Z)
    return train(X, y, objective=objective, **{"ridge": 0.5, **OPTIONS, **options})


@pytest.mark.parametrize("prepared", [{}, {"intercept": True}, {"standardize": True},
                                      {"intercept": True, "standardize": True}])  # fmt: skip
@pytest.mark.parametrize("objective", ["least-squares", "logistic", "softmax", "huber"])
def test_the_optimum_is_where_training_stays(objective, prepared):
    options = {"optimizer": "lbfgs", "iterations": 200, "stop_at": 1e-9, **prepared}
    best = trained(objective, out="r", **options)
    first = best.history[0].gradient_norm
    again = trained(objective, start="r", **{**options, "iterations": 1, "stop_at": 0.0})
    assert again.history[0].gradient_norm <= 1e-7 * first
    np.testing.assert_allclose(again.coef_, best.coef_, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "nesterov", "cg", "lbfgs", "adam"])
def test_every_optimizer_begins_there(optimizer):
    best = trained(optimizer="lbfgs", iterations=100, stop_at=1e-10, intercept=True, out="r")
    again = trained(optimizer=optimizer, intercept=True, start=Path("r"), iterations=3)
    assert again.history[0].gradient_norm <= 1e-6 * best.history[0].gradient_norm


def test_a_coded_scheme_begins_there():
    before = trained(optimizer="cg", iterations=3, intercept=True, out="r").history
    coded = {"scheme": "lcc-mmc", "load": 3, "check_gradient": True}
    again = trained(intercept=True, start="r", iterations=2, **coded)
    first = again.history[0]
    assert before[-1].gradient_norm == pytest.approx(first.gradient_norm, rel=1e-6)
    assert first.gradient_error <= 1e-9


def test_classes_may_be_text():
    words = {-1.0: "no", 1.0: "yes"}
    y = np.array([words[each] for each in LABELS["logistic"]])
    options = {"objective": "logistic", "ridge": 0.5, "iterations": 3, **OPTIONS}
    found = train(X, y, out="r", **options)
    again = train(X, y, start="r", **{**options, "iterations": 1, "step_size": 1e-30})
    np.testing.assert_allclose(again.coef_, found.coef_, rtol=1e-9)
    with pytest.raises(CodedDGDError, match="its classes are 'no', 'yes', and those of the data"):
        train(X, LABELS["logistic"], start="r", **options)


def test_an_intercept_may_be_added():
    found = trained(iterations=5, out="r")
    again = trained(intercept=True, start="r", iterations=1, step_size=1e-30)
    np.testing.assert_allclose(again.coef_, found.coef_, rtol=1e-9)
    assert again.intercept_ == pytest.approx(0, abs=1e-9)


def refusal(kind=CodedDGDError, **options):
    with pytest.raises(kind) as caught:
        trained(start="r", iterations=1, out="new", **options)
    assert "\n" not in str(caught.value) and not Path("new").exists()
    return str(caught.value)


class Bent(Objective):
    """Least squares of a sum of two vectors, which is not declared linear."""

    def size(self, features):
        return 2 * features

    def gradient(self, X, y, beta, weights):
        half = len(beta) // 2
        slope = (X @ (beta[:half] + beta[half:]) - y) @ X
        return np.concatenate([slope, slope])

    def loss(self, X, y, beta, weights=None):
        half = len(beta) // 2
        return float(((X @ (beta[:half] + beta[half:]) - y) ** 2).sum()) / 2


def test_other_sizes_classes_and_columns_are_refused_in_one_line():
    assert "r has no model.json" in refusal(DataError)
    trained("logistic", pd.DataFrame(X, columns=["a", "b", "c"]), iterations=2, out="r")
    assert "has 4 features beside the labels, and the model was trained on 3" in refusal(
        X=np.column_stack([X, X[:, 0]]), objective="logistic"
    )
    assert "in another order" in refusal(
        X=pd.DataFrame(X, columns=["b", "a", "c"]), objective="logistic"
    )
    assert "its classes are -1, 1, and those of the data 0, 1, 2" in refusal(objective="softmax")
    assert "its classes are -1, 1, and those of the data none" in refusal()
    LABELS["softmax"], kept = LABELS["logistic"], LABELS["softmax"]
    try:
        assert "model of objective logistic, which has other parameters than Softmax" in refusal(
            objective="softmax"
        )
    finally:
        LABELS["softmax"] = kept
    shutil.rmtree("r")
    trained(intercept=True, iterations=2, out="r")
    assert "it has an intercept, and this training has none" in refusal()
    assert "4 parameters of objective least-squares, and Bent has 6" in refusal(
        objective=Bent(), step_size=1e-6
    )


def test_a_model_that_is_not_linear_is_begun_at_on_the_same_scale():
    options = {"objective": Bent(), "step_size": 1e-4, "standardize": True}
    found = trained(iterations=4, out="r", **options)
    again = trained(iterations=1, start="r", **{**options, "step_size": 1e-30})
    np.testing.assert_array_equal(again.coef_, found.coef_)
    assert "its columns were scaled otherwise" in refusal(X=2 * X, **options)


def test_a_resumed_run_needs_the_model_no_more(capsys):
    np.savez("d.npz", X=X, y=Z)
    words = ["--transport", "simulated", "--quiet", "--workers", "4", "--delay", "none"]

    def run(*more):
        assert run_command_line(["run", *words, "--data", "d.npz", *more]) == 0

    run("--iterations", "5", "--out", "r")
    run("--iterations", "5", "--start", "r", "--out", "whole")
    run("--iterations", "3", "--start", "r", "--out", "parts")
    shutil.rmtree("r")
    assert run_command_line(["run", "--resume", "parts", "--iterations", "5", "--quiet"]) == 0
    np.testing.assert_array_equal(np.load("parts/beta.npy"), np.load("whole/beta.npy"))


def test_train_begins_at_a_model_in_memory():
    options = {"intercept": True, "standardize": True, "iterations": 3}
    before = trained("softmax", out="r", **options)
    runs = [
        trained("softmax", start=start, **options)
        for start in ("r", before.model, before.parameters_)
    ]
    for found in runs[1:]:
        np.testing.assert_allclose(found.coef_, runs[0].coef_, rtol=1e-12)
    assert runs[1].history[0].gradient_norm < before.history[-1].gradient_norm


def test_a_start_in_memory_that_does_not_fit_is_refused_in_one_line():
    found = trained("logistic", iterations=2)
    for start, fault in (
        (found.model, "its classes are -1, 1, and those of the data none"),
        (np.zeros(5), r"it is an array of shape \(5,\), and the model has 3 parameters"),
        (np.full(3, np.nan), "some of its numbers are not finite"),
    ):
        with pytest.raises(CodedDGDError, match=f"^start: .*{fault}.*leave start out") as caught:
            trained(start=start)
        assert "\n" not in str(caught.value)
    with pytest.raises(
        CodedDGDError, match=r"start has to be text, .*: give the folder of a run, a model"
    ):
        trained(start=3)


def test_a_run_that_began_in_memory_is_resumed_from_its_checkpoint_alone():
    begin = trained(iterations=3, optimizer="cg")
    whole = trained(start=begin.model, iterations=9)
    y = LABELS.get("least-squares", Z)
    trained(start=begin.model, iterations=4, checkpoint_every=2, out="r")
    found = train(X, y, resume="r", iterations=9, transport="simulated")
    np.testing.assert_array_equal(found.coef_, whole.coef_)


def test_the_target_does_not_depend_on_the_start():
    options = {"optimizer": "lbfgs", "iterations": 200, "stop_at": 1e-6, "intercept": True}
    cold = trained("logistic", **options)
    assert cold.summary["converged"] and cold.n_iter_ > 5
    warm = trained("logistic", start=cold.model, **options)
    assert warm.summary["converged"] and warm.n_iter_ <= 2
    first = cold.history[0].gradient_norm
    assert warm.history[-1].gradient_norm <= 1e-6 * first


def test_a_resumed_run_keeps_the_target_of_its_start():
    options = {"optimizer": "lbfgs", "stop_at": 1e-6, "intercept": True}
    near = trained("logistic", iterations=6, optimizer="lbfgs", intercept=True)
    whole = trained("logistic", start=near.model, iterations=200, **options)
    trained("logistic", start=near.model, iterations=2, checkpoint_every=1, out="r", **options)
    found = train(X, LABELS["logistic"], resume="r", iterations=200, transport="simulated")
    assert (found.n_iter_, found.summary["converged"]) == (whole.n_iter_, True)
