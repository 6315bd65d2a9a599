"""Estimators on real ranks: those of mpiexec, kept ones, and those of one fit."""

from __future__ import annotations

import json
import pickle
import time

import numpy as np
import pytest
from launching import mpirun, processes_mentioning

pytest.importorskip("sklearn", minversion="1.6")

from half_squares import HalfSquares
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import coded_dgd
from coded_dgd.errors import CodedDGDError
from coded_dgd.estimators import (
    CodedClassifier,
    CodedLogisticRegression,
    CodedRegressor,
    CodedRidge,
)

pytestmark = pytest.mark.mpi
X, Y = load_iris(return_X_y=True)
WORDS = load_iris().target_names[Y]
LIMIT = 20.0
"""Seconds within which no rank may be left."""


@pytest.fixture(scope="module")
def kept():
    """Two workers that the tests share."""
    with coded_dgd.workers(2):
        yield


@pytest.fixture
def leaves_nothing(tmp_path_factory, monkeypatch):
    """Ranks that the test starts are gone after it, with their files."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    deadline = time.monotonic() + LIMIT
    while processes_mentioning(str(folder)) or [*folder.glob("coded_dgd-*")]:
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.1)


def test_under_mpiexec_every_rank_has_the_model(tmp_path):
    done = mpirun(3, str(tmp_path), cwd=tmp_path, script="estimators_script.py")
    assert done.code == 0, done.err
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    reference = LogisticRegression(solver="newton-cg", tol=1e-10).fit(X, Y)
    largest = np.abs(reference.coef_).max()
    for each in seen:
        np.testing.assert_allclose(each["coef"], reference.coef_, rtol=0, atol=1e-5 * largest)
        assert each["names"] == [["a", "b", "c", "d"], False]
        assert each["predicted"] == reference.predict(X).tolist()
        assert each["warned"] == [True] * (each is seen[0])
        for name in ("known", "search"):
            assert each[name] == seen[0][name]
        kinds, texts = zip(*each["refused"], strict=True)
        assert kinds == (
            "ValueError", "UsageError", "UsageError", "UsageError", "ValueError",
            "ConvergenceWarning",
        )  # fmt: skip
        assert texts == tuple(text for _, text in seen[0]["refused"])
        faults = (
            "contains NaN", "no option 'rigde'", "workers=5", "no classifier", "one class",
            "or use a larger max_iter",
        )  # fmt: skip
        assert all(fault in text for fault, text in zip(faults, texts, strict=True))


@pytest.mark.usefixtures("leaves_nothing")
def test_a_fit_without_ranks_starts_its_own():
    X, y = load_diabetes(return_X_y=True)
    model = CodedRidge(workers=2, tol=1e-10).fit(X, y)
    here = clone(model).set_params(transport="simulated").fit(X, y)
    np.testing.assert_allclose(model.coef_, here.coef_, rtol=1e-8)
    with pytest.raises(CodedDGDError, match="no option 'rigde'"):
        clone(model).set_params(options={"rigde": 1}).fit(X, y)


@pytest.mark.usefixtures("leaves_nothing")
def test_a_search_finds_what_simulated_workers_find():
    pipeline = make_pipeline(StandardScaler(), CodedLogisticRegression())
    grid = {"codedlogisticregression__C": [0.01, 0.1, 1.0],
            "codedlogisticregression__fit_intercept": [True, False]}  # fmt: skip
    with coded_dgd.workers(2):
        found = GridSearchCV(pipeline, grid, cv=5).fit(X, WORDS)
    here = clone(pipeline).set_params(codedlogisticregression__transport="simulated")
    same = GridSearchCV(here, grid, cv=5).fit(X, WORDS)
    assert found.best_params_ == same.best_params_
    scores = (each.cv_results_["mean_test_score"] for each in (found, same))
    np.testing.assert_allclose(*scores, atol=1e-12)
    predicted = pickle.loads(pickle.dumps(found)).predict(X)
    np.testing.assert_array_equal(predicted, same.predict(X))


@pytest.mark.usefixtures("leaves_nothing")
def test_each_process_of_joblib_starts_its_own_ranks():
    scores = cross_val_score(CodedLogisticRegression(workers=1), X, WORDS, cv=2, n_jobs=2)
    assert (scores > 0.9).all()


@pytest.mark.usefixtures("kept")
def test_kept_workers_train_any_objective_again_and_again():
    own = CodedRegressor(HalfSquares(), warm_start=True).fit(X, Y)
    assert own.summary_["workers"] == 2
    cold = own.n_iter_
    assert own.fit(X, Y).n_iter_ < cold
    ridge = CodedRidge(tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(own.set_params(tol=1e-10).fit(X, Y).coef_, ridge.coef_, rtol=1e-6)
    assert CodedClassifier().fit(X, WORDS).score(X, WORDS) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
@pytest.mark.usefixtures("kept")
@parametrize_with_checks(
    [CodedRidge(), CodedRegressor("huber"), CodedLogisticRegression(), CodedClassifier()]
)
def test_scikit_learn_checks_on_ranks(estimator, check):
    check(estimator)
