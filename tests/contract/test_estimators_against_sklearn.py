"""The estimators are estimators of scikit-learn: by its own checks, and by its coefficients."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn import datasets
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from coded_dgd.estimators import (
    CodedClassifier,
    CodedLogisticRegression,
    CodedRegressor,
    CodedRidge,
)

HERE = {"transport": "simulated"}
FAILURES: dict[str, str] = {}
"""Checks of scikit-learn that are expected to fail, each with its reason: there is none."""
ESTIMATORS = [
    CodedRidge(**HERE),
    CodedRegressor("huber", **HERE),
    CodedLogisticRegression(**HERE),
    CodedClassifier(**HERE),
]


@pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: FAILURES)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


A9A = Path(__file__).parents[3] / "shared" / "data" / "a9a.svm"
PRECISE = 1e-6
"""Largest difference of coefficients, relative to the largest coefficient."""


def a9a(return_X_y):
    if not A9A.exists():
        pytest.skip("a9a.svm is not there")
    return datasets.load_svmlight_file(str(A9A))


LOADED = {
    "diabetes": datasets.load_diabetes,
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "a9a": a9a,
}
CASES = [
    *[("diabetes", scaled) for scaled in ("raw", "pipeline", "standardize")],
    *[("breast_cancer", scaled) for scaled in ("raw", "pipeline", "standardize")],
    ("digits", "pipeline"),
    pytest.param("digits", "raw", marks=pytest.mark.slow),
    pytest.param("digits", "standardize", marks=pytest.mark.slow),
    pytest.param("a9a", "raw", marks=pytest.mark.slow),
]


class Pair(NamedTuple):
    """An estimator and the one of scikit-learn that minimises the same."""

    ours: Any
    theirs: Any


def pair(name, **options):
    # tol is relative to the gradient at zero: without scaling it takes more digits
    ours = {**HERE, "tol": 1e-11, "max_iter": 20_000, **options}
    intercept = {"fit_intercept": options["fit_intercept"]}
    if name == "diabetes":
        return Pair(CodedRidge(2.0, **ours), Ridge(2.0, solver="cholesky", **intercept))
    solver = {"solver": "newton-cg", "tol": 1e-11, "max_iter": 10_000}
    if name != "digits":  # newton-cg gives up without scaling
        solver["solver"] = "newton-cholesky"
    return Pair(
        CodedLogisticRegression(0.5, **ours), LogisticRegression(C=0.5, **solver, **intercept)
    )


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "scaled"), CASES)
def test_coefficients_are_those_of_scikit_learn(name, scaled, weighted, intercept):
    X, y = LOADED[name](return_X_y=True)
    weights = np.random.default_rng(0).uniform(0.2, 3.0, len(y)) if weighted else None
    standardize = scaled == "standardize"
    ours, theirs = pair(name, fit_intercept=intercept, standardize=standardize)
    if scaled == "pipeline":
        ours, theirs = (piped(each, X, y, weights) for each in (ours, theirs))
        expected, shift = theirs.coef_, 0.0
    else:
        scaler = StandardScaler(with_mean=standardize and intercept, with_std=standardize)
        rows = scaler.fit_transform(X, sample_weight=weights)
        ours.fit(X, y, weights)
        theirs.fit(rows, y, sample_weight=weights)
        expected = theirs.coef_ if scaler.scale_ is None else theirs.coef_ / scaler.scale_
        shift = expected @ scaler.mean_ if scaler.with_mean else 0.0
    assert ours.summary_["converged"] and ours.coef_.shape == theirs.coef_.shape
    largest = np.abs(expected).max()
    np.testing.assert_allclose(ours.coef_, expected, rtol=0, atol=PRECISE * largest)
    if intercept:
        wanted = theirs.intercept_ - shift
        assert np.shape(ours.intercept_) == np.shape(wanted)
        atol = PRECISE * max(largest, np.abs(wanted).max())
        np.testing.assert_allclose(ours.intercept_, wanted, rtol=0, atol=atol)
    else:
        assert not np.any(ours.intercept_)


def piped(estimator, X, y, weights):
    """An estimator that is fitted behind a scaler."""
    pipeline = make_pipeline(StandardScaler(), estimator)
    return pipeline.fit(X, y, **{f"{pipeline.steps[-1][0]}__sample_weight": weights})[-1]
