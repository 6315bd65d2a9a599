"""What users of scikit-learn do with estimators, and what is refused in one line."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from coded_dgd.cli import run_command_line
from coded_dgd.errors import CodedDGDError
from coded_dgd.estimators import (
    CodedClassifier,
    CodedLogisticRegression,
    CodedRegressor,
    CodedRidge,
)
from coded_dgd.problems.objectives import LinearModel, Objective

HERE = {"transport": "simulated"}
PRECISE = {**HERE, "tol": 1e-10}
X, KINDS = load_iris(return_X_y=True)
WORDS = load_iris().target_names[KINDS]
Z = X @ [1.0, -2.0, 0.5, 1.0] + np.random.default_rng(0).standard_normal(len(X))


@pytest.mark.parametrize(
    "y", [WORDS, WORDS.astype(object), KINDS == 1, KINDS * -5, KINDS.astype(np.float32),
          pd.Series(WORDS, dtype="category"), WORDS.tolist()],
    ids=["text", "objects", "bools", "numbers", "float32", "categories", "list"],
)  # fmt: skip
def test_classes_are_those_of_the_labels(y):
    found = CodedLogisticRegression(**HERE).fit(X, y)
    reference = LogisticRegression(max_iter=1000).fit(X, y)
    assert found.classes_.dtype == reference.classes_.dtype
    np.testing.assert_array_equal(found.classes_, reference.classes_)
    np.testing.assert_array_equal(found.predict(X), reference.predict(X))
    assert found.predict(X).dtype == reference.predict(X).dtype
    assert found.score(X, y) == reference.score(X, y)
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        ours, theirs = (getattr(each, method)(X) for each in (found, reference))
        np.testing.assert_allclose(ours, theirs, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("convert", [
    sparse.csr_matrix, sparse.csc_array, sparse.coo_array, pd.DataFrame, np.asfortranarray,
    lambda rows: rows.tolist(), lambda rows: np.lib.stride_tricks.as_strided(rows, writeable=False),
])  # fmt: skip
def test_data_may_be_held_in_any_way(convert):
    reference = CodedRidge(**PRECISE).fit(X, Z)
    found = CodedRidge(**PRECISE).fit(convert(X), Z)
    np.testing.assert_allclose(found.coef_, reference.coef_, rtol=1e-8)
    np.testing.assert_allclose(found.predict(convert(X)), reference.predict(X), atol=1e-7)


def test_whole_numbers_and_float32_are_data_too():
    assert CodedRidge(**HERE).fit((10 * X).astype(int), KINDS).score(10 * X, KINDS) > 0.9
    single = CodedRidge(**PRECISE).fit(X.astype(np.float32), Z)
    np.testing.assert_allclose(single.coef_, CodedRidge(**PRECISE).fit(X, Z).coef_, rtol=1e-5)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("estimator", [
    CodedRidge(**PRECISE), CodedRegressor("poisson", **PRECISE),
    CodedLogisticRegression(**PRECISE), CodedClassifier(**PRECISE),
])  # fmt: skip
def test_a_weight_counts_as_copies_of_the_row(estimator, standardize):
    copies = np.random.default_rng(0).integers(0, 4, len(X))
    estimator.set_params(standardize=standardize)
    weighted = clone(estimator).fit(X, KINDS, copies)
    repeated = clone(estimator).fit(np.repeat(X, copies, axis=0), np.repeat(KINDS, copies))
    largest = np.abs(repeated.coef_).max()
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-6 * largest)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-5, atol=1e-6)


def test_weights_of_classes_multiply_those_of_rows():
    weights = np.random.default_rng(0).uniform(0.5, 2, len(X))
    given = {"setosa": 3.0, "virginica": 0.5}
    of_row = np.array([given.get(word, 1.0) for word in WORDS])
    found = CodedLogisticRegression(class_weight=given, **PRECISE).fit(X, WORDS, weights)
    same = CodedLogisticRegression(**PRECISE).fit(X, WORDS, weights * of_row)
    np.testing.assert_allclose(found.coef_, same.coef_, rtol=1e-9)
    some = slice(20, None)
    balanced = CodedLogisticRegression(class_weight="balanced", **PRECISE).fit(X[some], WORDS[some])
    theirs = LogisticRegression(class_weight="balanced", solver="newton-cg", tol=1e-10)
    largest = np.abs(theirs.fit(X[some], WORDS[some]).coef_).max()
    np.testing.assert_allclose(balanced.coef_, theirs.coef_, rtol=0, atol=1e-6 * largest)


def test_balanced_weights_count_the_weights_of_rows():
    copies = np.random.default_rng(0).integers(0, 4, len(X))
    model = CodedClassifier(class_weight="balanced", **PRECISE)
    weighted = clone(model).fit(X, WORDS, copies)
    repeated = clone(model).fit(np.repeat(X, copies, axis=0), np.repeat(WORDS, copies))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6)


def test_a_frame_keeps_the_names_of_its_columns():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    found = CodedRidge(**HERE).fit(frame, Z)
    assert found.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="in the same order as they were in fit"):
        found.predict(frame[["b", "a", "c", "d"]])


@pytest.mark.parametrize("sparsely", [False, True])
def test_the_command_finds_columns_by_the_names_of_the_frame(sparsely, tmp_path, capsys):
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    given = frame.astype(pd.SparseDtype(float, 0)) if sparsely else frame
    found = CodedRidge(**HERE, options={"out": tmp_path / "run"}).fit(given, Z)
    assert found.model_.names == ("a", "b", "c", "d")
    frame[["d", "b", "c", "a"]].to_csv(tmp_path / "new.csv", index=False)
    assert run_command_line(["predict", str(tmp_path / "run"), str(tmp_path / "new.csv")]) == 0
    values = [float(line) for line in capsys.readouterr().out.split()[1:]]
    np.testing.assert_allclose(values, found.predict(frame), rtol=1e-12)
    found.set_params(options=None).fit(X, Z)
    assert not hasattr(found, "feature_names_in_") and found.model_.names is None


@pytest.mark.parametrize("estimator", [CodedLogisticRegression(**HERE), CodedClassifier(**HERE)])
def test_it_is_part_of_other_estimators(estimator):
    pipeline = make_pipeline(StandardScaler(), estimator)
    step = f"{pipeline.steps[-1][0]}__"
    search = GridSearchCV(pipeline, {f"{step}load": [1, 2], f"{step}tol": [1e-4, 1e-6]}, cv=3)
    assert search.fit(X, WORDS).score(X, WORDS) > 0.9
    assert cross_val_score(pipeline, X, WORDS, cv=3, n_jobs=2).mean() > 0.9
    voting = VotingClassifier([("a", estimator), ("b", pipeline)], voting="soft").fit(X, WORDS)
    assert voting.score(X, WORDS) > 0.9
    calibrated = CalibratedClassifierCV(estimator, cv=3).fit(X, WORDS)
    assert calibrated.predict_proba(X).shape == (len(X), 3)
    importance = permutation_importance(estimator.fit(X, WORDS), X, WORDS, n_repeats=2)
    assert importance.importances_mean.argmax() in (2, 3)


def test_it_is_copied_without_what_it_has_learnt():
    model = CodedRidge(2.0, scheme="gc", load=2, options={"dtype": "float32"}, **HERE).fit(X, Z)
    assert model.summary_["scheme"] == "gc"
    copied = clone(model)
    assert copied.get_params() == model.get_params() and not hasattr(copied, "coef_")
    assert repr(copied).startswith("CodedRidge(alpha=2.0, load=2,")


def test_a_pickled_model_predicts_without_mpi(tmp_path):
    model = CodedLogisticRegression(**HERE).fit(X, WORDS)
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "X.npy", X)
    code = (
        "import pickle, sys, numpy; sys.modules['mpi4py'] = None\n"
        "model = pickle.load(open('model', 'rb'))\n"
        "print(*model.predict(numpy.load('X.npy')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == model.predict(X).tolist(), done.stderr


def test_neither_the_package_nor_a_worker_imports_scikit_learn():
    code = (
        "import sys, coded_dgd, coded_dgd.api, coded_dgd.engine.serve\n"
        "print([name for name in sys.modules if name.startswith('sklearn')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_scikit_learn_the_extra_is_named():
    code = "import sys; sys.modules['sklearn'] = None\nimport coded_dgd\ncoded_dgd.load('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "coded_dgd.estimators needs scikit-learn" in last
    assert last.endswith("pip install 'coded-dgd[sklearn]'")


def test_a_warm_start_begins_at_the_earlier_model():
    y, fewer = KINDS == 2, X[::2]
    model = CodedLogisticRegression(warm_start=True, **PRECISE).fit(X, y)
    cold, reference = model.n_iter_, model.coef_
    assert model.fit(X, y).n_iter_ <= 2 < cold
    np.testing.assert_allclose(model.coef_, reference, rtol=1e-5)
    assert model.fit(fewer, y[::2]).n_iter_ < cold
    fresh = CodedLogisticRegression(**PRECISE).fit(fewer, y[::2])
    np.testing.assert_allclose(model.coef_, fresh.coef_, rtol=1e-5)
    with pytest.raises(CodedDGDError, match="its classes are 0, 1, and those of the data"):
        model.fit(X, WORDS)
    assert CodedLogisticRegression(**PRECISE).fit(X, y).fit(X, y).n_iter_ == cold


def test_few_iterations_warn_as_scikit_learn_does():
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="not converged after 1 iterations") as caught:
        CodedRidge(1e-3, max_iter=1, **HERE).fit(X, y)
    assert [each.filename for each in caught] == [__file__]
    assert str(caught[0].message).endswith("add standardize=True, or use a larger max_iter")
    assert issubclass(caught[0].category, UserWarning)


def test_a_warning_of_the_step_size_names_the_options_that_take_it():
    X, y = load_diabetes(return_X_y=True)
    model = CodedRidge(1e-3, optimizer="gd", options={"step_size": 1e-9}, **HERE)
    with pytest.warns(ConvergenceWarning, match=r"use options=\{'step_size': 'auto'\}"):
        model.fit(X, y)


def test_parameters_may_be_numbers_of_numpy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = {"tol": np.float32(1e-3), "max_iter": np.int32(50), "load": np.int64(2)}
        CodedRidge(np.float32(1), fit_intercept=np.bool_(True), **given, **HERE).fit(X, Z)
        CodedLogisticRegression(np.float32(np.inf), **given, **HERE).fit(X, KINDS)


def test_a_warning_may_be_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match="standardize=True, or use a larger max_iter"):
            CodedRidge(1e-3, max_iter=1, **HERE).fit(*load_diabetes(return_X_y=True))


def test_after_a_fit_that_fails_there_is_no_model():
    model = CodedLogisticRegression(**HERE).fit(X, WORDS)
    with pytest.raises(CodedDGDError):  # its classes are known by then
        model.set_params(scheme="uc").fit(X, KINDS + 7)
    with pytest.raises(NotFittedError):
        model.predict(X)


class Bent(LinearModel):
    """Half squares whose slope bends, without classes."""

    curvature = 1.0

    def slope(self, z, y):
        return np.tanh(z - (0 if y is None else y))

    def losses(self, z, y):
        return np.log(np.cosh(z - y))

    def predict(self, X, beta):
        return X @ beta


class TwoLayers(Objective):
    """A classifier that is not linear in X, and has no probabilities."""

    def size(self, features):
        return 2 * features

    def start(self, features, seed):
        return np.random.default_rng(seed).standard_normal(2 * features)

    def encode_labels(self, classes):
        return np.array([-1.0, 1.0])

    def check_labels(self, y):
        return None if len(y) == 2 else "two numbers"

    def _margins(self, X, beta):
        u, v = np.split(beta, 2)
        return X @ u + np.tanh(X @ v), u, v

    def gradient(self, X, y, beta, weights):
        z, _, v = self._margins(X, beta)
        slope = z - (0 if y is None else y)
        slope = slope if weights is None else weights * slope
        return np.concatenate([slope @ X, (slope * (1 - np.tanh(X @ v) ** 2)) @ X])

    def loss(self, X, y, beta, weights=None):
        squares = (self._margins(X, beta)[0] - y) ** 2
        return float((squares if weights is None else weights * squares).sum()) / 2

    def predict(self, X, beta):
        return np.where(self._margins(X, beta)[0] > 0, 1.0, -1.0)


@pytest.mark.parametrize("objective", [Bent, Bent(), f"{__name__}:Bent"])
def test_an_objective_may_be_one_of_the_user(objective):
    found = CodedRegressor(objective, **HERE).fit(X, Z)
    assert found.score(X, Z) > 0.7 and found.coef_.shape == (4,)
    copied = pickle.loads(pickle.dumps(clone(found).fit(X, Z)))
    np.testing.assert_array_equal(copied.predict(X), found.predict(X))


def test_a_classifier_has_the_methods_that_its_objective_allows():
    known, own = CodedClassifier("softmax"), CodedClassifier(TwoLayers, fit_intercept=False, **HERE)
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        assert hasattr(known, method) and not hasattr(own, method)
    assert own.fit(X, WORDS == "setosa").score(X, WORDS == "setosa") > 0.9
    with pytest.raises(CodedDGDError, match="give its model a bias of its own, and fit_intercept="):
        CodedClassifier(TwoLayers, **HERE).fit(X, WORDS == "setosa")


REFUSED = {
    "one class": (CodedLogisticRegression(), X, 0 * KINDS, "have one class only"),
    "one row": (CodedClassifier(), X[:1], KINDS[:1], "have one class only"),
    "large numbers": (CodedClassifier(), X, 2**60 + KINDS, "does not tell all classes of y apart"),
    "fractions": (CodedLogisticRegression(), X, KINDS + 0.5, "Unknown label type: continuous"),
    "two outputs": (CodedRidge(), X, np.column_stack([Z, Z]), "y should be a 1d array"),
    "three classes": (CodedClassifier("logistic"), X, KINDS, "two different numbers"),
    "no objective": (CodedRegressor(None), X, Z, "objective None: give a name, an Objective, or"),
    "no class of one": (CodedClassifier(dict), X, KINDS, "give a name, an Objective, or a class"),
    "no classifier": (CodedClassifier("huber"), X, KINDS, "'huber' is no classifier"),
    "no regression": (CodedRegressor("softmax"), X, KINDS, "take CodedClassifier"),
    "large": (CodedRidge(), 1e300 * X, Z, "its square overflows: scale the data"),
    "alpha": (CodedRidge(-1), X, Z, "alpha == -1, must be >= 0"),
    "text": (CodedRidge("1"), X, Z, "alpha must be an instance of float, not str"),
    "C": (CodedLogisticRegression(0), X, KINDS, "C == 0, must be > 0"),
    "tol": (CodedRidge(tol=1), X, Z, "tol == 1, must be < 1"),
    "max_iter": (CodedRidge(max_iter=0), X, Z, "max_iter == 0, must be >= 1"),
    "workers": (CodedRidge(workers=0), X, Z, "workers == 0, must be >= 1"),
    "many workers": (CodedRidge(workers="4"), X, Z, "workers must be an instance of int, not str"),
    "alpha nan": (CodedRidge(np.nan), X, Z, "alpha == nan, must be a finite number"),
    "alpha inf": (CodedClassifier(alpha=np.inf), X, KINDS, "alpha == inf, must be a finite"),
    "C nan": (CodedLogisticRegression(np.nan), X, KINDS, "C == nan, must be a finite number"),
    "tol nan": (CodedRidge(tol=np.nan), X, Z, "tol == nan, must be a finite number"),
    "seed": (CodedRidge(random_state=-1), X, Z, "random_state has to be 0 or more"),
    "load": (CodedRidge(load=0), X, Z, "load (r) has to be 1 or more"),
    "blocks": (CodedRidge(blocks=1000), X, Z, "use load=250 or more"),
    "intercept": (CodedRidge(fit_intercept=1), X, Z, "fit_intercept has to be true or false"),
    "little C": (CodedLogisticRegression(1e-300), X, KINDS == 1, "use a larger 1/C, or optimizer"),
    "held out": (CodedRidge(options={"validation": 2.0}), X, Z, "': 2.0}: give a fraction"),
    "numbers": (CodedRidge(options={1: 2}), X, Z, "options has to be a dict of options of train"),
    "scheme": (CodedRidge(scheme="uc"), X, Z, "unknown scheme 'uc'"),
    "unknown": (
        CodedRidge(options={"rigde": 1}),
        X,
        Z,
        "has no option 'rigde' (did you mean 'ridge'?)",
    ),
    "own": (CodedRidge(options={"ridge": 1}), X, Z, "'ridge': give it as alpha or C instead"),
    "a list": (CodedRidge(options=["ridge"]), X, Z, "options has to be a dict"),
    "classes": (CodedClassifier(class_weight="even"), X, KINDS, "'balanced'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_refused_in_one_line(case):
    model, rows, y, fault = REFUSED[case]
    with pytest.raises((CodedDGDError, ValueError, TypeError)) as caught:
        clone(model).set_params(**HERE).fit(rows, y)
    assert fault in str(caught.value) and not any(
        each in str(caught.value) for each in ("\n", "--")
    )


def test_predictions_are_bit_for_bit_those_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", X)
    for model, y in (
        (CodedLogisticRegression(standardize=True, **HERE), WORDS),
        (CodedClassifier("logistic", **HERE), KINDS == 2),
        (CodedRidge(**HERE), Z),
    ):
        name = type(model).__name__
        model.set_params(options={"out": name}).fit(X, y)
        assert run_command_line(["predict", name, "X.npy", "--out", f"{name}.npy"]) == 0
        expected = np.load(f"{name}.npy")
        np.testing.assert_array_equal(model.predict(X), expected.astype(model.predict(X).dtype))
        if hasattr(model, "predict_proba"):
            words = ["predict", name, "X.npy", "--proba", "--out", f"{name}-proba.npy"]
            assert run_command_line(words) == 0
            np.testing.assert_array_equal(model.predict_proba(X), np.load(f"{name}-proba.npy"))
