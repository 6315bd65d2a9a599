"""Optima of the objectives are those of scikit-learn's models, with and without sample weights.

Each case has a model of scikit-learn and the options with which this package trains the same one.
scikit-learn is in the extra ``test``; without it the tests are skipped.
"""

from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import minimize

from coded_dgd import train
from coded_dgd.problems import objectives
from coded_dgd.problems.predictor import Predictor
from coded_dgd.problems.sources.in_memory import open_arrays

datasets = pytest.importorskip("sklearn.datasets")
linear_model = pytest.importorskip("sklearn.linear_model")
metrics = pytest.importorskip("sklearn.metrics")
preprocessing = pytest.importorskip("sklearn.preprocessing")

WORKERS = 6
PRECISE = 1e-6
"""Largest difference of coefficients, relative to the largest coefficient."""


class Reference(NamedTuple):
    """A fitted model of scikit-learn, and how to train the same one here."""

    objective: str
    ridge: float
    """Factor of half the squared norm of the coefficients, without the intercept."""
    coef: Any
    """Coefficients, of shape (K, l)."""
    intercept: Any
    """Intercepts, of shape (K,)."""
    model: Any


def softmax(X, y, weights):
    model = linear_model.LogisticRegression(C=0.5, solver="newton-cg", tol=1e-10, max_iter=1000)
    model.fit(X, y, sample_weight=weights)
    return Reference("softmax", 1 / 0.5, model.coef_, model.intercept_, model)


def logistic(X, y, weights):
    return softmax(X, y, weights)._replace(objective="logistic")


def least_squares(X, y, weights):
    model = linear_model.Ridge(alpha=3.0, solver="cholesky").fit(X, y, sample_weight=weights)
    coef, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    return Reference("least-squares", 3.0, coef, intercept, model)


def poisson(X, y, weights):
    """The mean of half the deviances, so the ridge is alpha times the sum of the weights."""
    model = linear_model.PoissonRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-12)
    model.fit(X, y, sample_weight=weights)
    total = len(y) if weights is None else weights.sum()
    coef, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    return Reference("poisson", 0.1 * total, coef, intercept, model)


def huber(X, y, weights):
    """The sum of sigma + sigma H(r / sigma), where sigma H(r / sigma) is 2 / sigma of a Huber loss.

    The scale sigma is estimated, too, and delta = epsilon sigma. The fit would end where the loss
    falls by less than 2e-9 of it.
    """

    def further(*arguments, options, **named):
        return minimize(*arguments, options={**options, "ftol": 1e-15}, **named)

    model = linear_model.HuberRegressor(epsilon=1.35, alpha=0.5, max_iter=10_000, tol=1e-6)
    with mock.patch.object(scipy.optimize, "minimize", further):
        model.fit(X, y, sample_weight=weights)
    coef, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    text = f"huber:delta={float(1.35 * model.scale_)!r}"
    return Reference(text, 0.5 * model.scale_, coef, intercept, model)


CASES = {
    "softmax on digits": ("load_digits", softmax),
    "logistic on breast_cancer": ("load_breast_cancer", logistic),
    "least-squares on diabetes": ("load_diabetes", least_squares),
    "poisson on diabetes": ("load_diabetes", poisson),
    "huber on diabetes": ("load_diabetes", huber),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Standardised rows, labels, and the function that fits scikit-learn's model."""
    name, fitted = CASES[request.param]
    X, y = getattr(datasets, name)(return_X_y=True)
    return preprocessing.StandardScaler().fit_transform(X), y.astype(float), fitted


@pytest.fixture(scope="module", params=["all alike", "weighted"])
def fitted(request, case):
    """Rows, labels, weights or None, and the reference for them."""
    X, y, fit = case
    weights = None
    if request.param == "weighted":
        weights = np.random.default_rng(0).uniform(0.2, 3.0, len(y))
    return X, y, weights, fit(X, y, weights)


def assert_same(coef, intercept, reference):
    """Hold coefficients and intercepts, of shapes (K, l) and (K,), against scikit-learn's.

    The intercepts of softmax are only determined up to a constant.
    """
    scale = np.abs(reference.coef).max()
    np.testing.assert_allclose(coef, reference.coef, rtol=0, atol=PRECISE * scale)
    if len(intercept) > 1:
        intercept = intercept - intercept.mean() + reference.intercept.mean()
    scale = np.abs(reference.intercept).max()
    np.testing.assert_allclose(intercept, reference.intercept, rtol=0, atol=PRECISE * scale)


def whole_of(X, y, weights, reference):
    """Loss and gradient of the problem, with an intercept in the last column that is free."""
    objective = objectives.create(reference.objective)
    classes = np.unique(y)
    codes = objective.encode_labels(classes)
    if codes is not None:
        objective.learn_classes(classes)
        y = codes[np.searchsorted(classes, y)]
    rows = np.column_stack([X, np.ones(len(y))])
    ridges = np.tile(np.append(np.full(X.shape[1], reference.ridge), 0.0), len(reference.coef))

    def whole(beta):
        loss = objective.loss(rows, y, beta, weights) + beta @ (ridges * beta) / 2
        return loss, objective.gradient(rows, y, beta, weights) + ridges * beta

    return whole


def flat(reference):
    return np.column_stack([reference.coef, reference.intercept]).ravel()


def test_the_optimum_is_that_of_scikit_learn(fitted):
    X, y, weights, reference = fitted
    whole, start = whole_of(X, y, weights, reference), 0 * flat(reference)
    options = {"maxiter": 50_000, "maxfun": 50_000, "maxcor": 50, "ftol": 0}
    options["gtol"] = 1e-10 * np.abs(whole(start)[1]).max()
    found = minimize(whole, start, jac=True, method="L-BFGS-B", options=options)
    beta = found.x.reshape(reference.coef.shape[0], -1)
    assert_same(beta[:, :-1], beta[:, -1], reference)
    assert whole(flat(reference))[0] == pytest.approx(found.fun, rel=1e-10)


def test_there_the_gradient_is_zero(fitted):
    X, y, weights, reference = fitted
    whole = whole_of(X, y, weights, reference)
    there, start = (whole(beta)[1] for beta in (flat(reference), 0 * flat(reference)))
    assert np.linalg.norm(there) < 1e-7 * np.linalg.norm(start)


def test_values_are_those_of_scikit_learn(fitted):
    X, y, weights, reference = fitted
    whole = whole_of(X, y, weights, reference._replace(ridge=0.0))
    loss, model = whole(flat(reference))[0], reference.model
    name = reference.objective.partition(":")[0]
    if name in ("softmax", "logistic"):
        expected = metrics.log_loss(
            y, model.predict_proba(X), normalize=False, sample_weight=weights
        )
    elif name == "least-squares":
        total = len(y) if weights is None else weights.sum()
        expected = (
            total / 2 * metrics.mean_squared_error(y, model.predict(X), sample_weight=weights)
        )
    elif name == "poisson":
        total = np.ones(len(y)) if weights is None else weights
        deviance = metrics.mean_poisson_deviance(y, model.predict(X), sample_weight=weights)
        expected = deviance * total.sum() / 2 - total @ (y * np.log(y) - y)
    else:
        residual = np.abs(model.predict(X) - y)
        delta = 1.35 * model.scale_
        each = np.where(residual <= delta, residual**2 / 2, delta * residual - delta**2 / 2)
        expected = each.sum() if weights is None else weights @ each
        np.testing.assert_array_equal(model.outliers_, residual > delta)
    assert loss == pytest.approx(expected, rel=1e-9)


def trained(X, y, weights, reference, **options):
    """Coefficients and intercepts of a whole run in virtual time."""
    result = train(
        X, y, sample_weight=weights, objective=reference.objective, ridge=reference.ridge,
        intercept=True, transport="simulated", workers=WORKERS, iterations=2000, stop_at=1e-10,
        **options,
    )  # fmt: skip
    assert result.summary["converged"]
    return result.coef_, result.intercept_


def test_whole_runs_end_there(fitted):
    runs = [("uc-mmc", "lbfgs"), ("gc", "lbfgs")]
    if fitted[-1].objective == "least-squares":
        runs += [("uc-mmc", "cg"), ("lcc-mmc", "cg"), ("mds-mmc", "cg")]
    for scheme, optimizer in runs:
        coef, intercept = trained(*fitted, scheme=scheme, load=3, optimizer=optimizer)
        model = fitted[-1].model
        assert (coef.shape, np.shape(intercept)) == (model.coef_.shape, np.shape(model.intercept_))
        assert_same(np.atleast_2d(coef), np.atleast_1d(intercept), fitted[-1])


@pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", ["logistic", "softmax", "least-squares", "poisson"])
def test_predictions_and_their_figures_are_those_of_scikit_learn(tmp_path, objective, weighted):
    load = {"logistic": "load_breast_cancer", "softmax": "load_wine"}.get(
        objective, "load_diabetes"
    )
    X, y = getattr(datasets, load)(return_X_y=True)
    weights = np.random.default_rng(0).integers(0, 3, len(y)) * 1.0 if weighted else None
    train(X, y, objective=objective, intercept=True, standardize=True, optimizer="lbfgs", ridge=1,
          iterations=15, transport="simulated", workers=WORKERS, scheme="uc-mmc", load=2,
          out=tmp_path / "r")  # fmt: skip
    model = Predictor.read(tmp_path / "r")
    predicted, mine = model.predict(X), model.metrics(open_arrays(X, y, weights))
    if model.model.classes is None:
        wanted = {
            "r2": metrics.r2_score(y, predicted, sample_weight=weights),
            "mean_absolute_error": metrics.mean_absolute_error(y, predicted, sample_weight=weights),
            "root_mean_squared_error": metrics.mean_squared_error(y, predicted,
                                                                  sample_weight=weights) ** 0.5,
        }  # fmt: skip
        if objective == "poisson":
            wanted["mean_poisson_deviance"] = metrics.mean_poisson_deviance(
                y, predicted, sample_weight=weights
            )
    else:
        chances = model.predict_proba(X)
        wanted = {
            "accuracy": metrics.accuracy_score(y, predicted, sample_weight=weights),
            "log_loss": metrics.log_loss(y, chances, sample_weight=weights),
        }
        if objective == "logistic":
            wanted["auc"] = metrics.roc_auc_score(
                y, model.decision_function(X), sample_weight=weights
            )
    assert {name: mine[name] for name in wanted} == pytest.approx(wanted, rel=1e-9)
