"""What holds for every objective of the package: derivatives, weights, bounds, padding, types."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from coded_dgd.problems import objectives
from coded_dgd.problems.objectives.base import SMALL_BYTES
from coded_dgd.problems.objectives.least_squares import LeastSquares

CLASSES = np.array([-4.0, 2.0, 3.0])
CASES = ["least-squares", "logistic", "softmax", "huber", "huber:delta=0.2", "poisson"]


def objective_of(text):
    """The objective, which knows the three classes of the data if it wants to."""
    objective = objectives.create(text)
    objective.learn_classes(CLASSES)
    return objective


def data(text, rows=40, features=5, seed=0):
    """Rows, labels as the objective trains with them, and a point."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, features))
    z = X @ rng.standard_normal(features) + rng.standard_normal(rows)
    y = {
        "logistic": np.where(z > 0, 1.0, -1.0),
        "softmax": np.digitize(z, [-1.0, 1.0]).astype(float),
        "poisson": np.maximum(np.round(z), 0.0),
    }.get(text, z)
    return X, y, rng.standard_normal(objective_of(text).size(features))


def hessian(objective, X, y, beta, step=1e-5):
    units = step * np.eye(len(beta))
    columns = [
        objective.gradient(X, y, beta + unit, None) - objective.gradient(X, y, beta - unit, None)
        for unit in units
    ]
    found = np.array(columns) / (2 * step)
    return (found + found.T) / 2


def test_the_names_of_the_objectives():
    assert objectives.names() == ["huber", "least-squares", "logistic", "poisson", "softmax"]
    assert {text.partition(":")[0] for text in CASES} == set(objectives.names())
    assert [objectives.create(name).degree for name in objectives.names()] == [None, 2, *[None] * 3]
    assert [objectives.create(name).curvature for name in objectives.names()] == [
        1, 1, 0.25, None, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_gradients_are_the_derivatives_of_the_loss(text):
    X, y, beta = data(text)
    objective, weights = objective_of(text), np.random.default_rng(2).random(len(y))
    for each in (None, weights):
        error = check_grad(
            lambda b, w=each: objective.loss(X, y, b, w),
            lambda b, w=each: objective.gradient(X, y, b, w),
            beta,
            epsilon=1e-7,
        )
        assert error <= 1e-5 * np.linalg.norm(objective.gradient(X, y, beta, each))


@pytest.mark.parametrize("text", CASES)
def test_weights_are_those_of_the_rows(text):
    X, y, beta = data(text)
    objective, weights = objective_of(text), np.random.default_rng(1).random(len(y))
    each = [objective.gradient(X[[i]], y[[i]], beta, None) for i in range(len(y))]
    gradient = objective.gradient(X, y, beta, weights)
    np.testing.assert_allclose(gradient, weights @ each, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(
        objective.gradient(X, y, beta, np.ones(len(y))), np.sum(each, axis=0), rtol=1e-11
    )
    losses = [objective.loss(X[[i]], y[[i]], beta) for i in range(len(y))]
    assert objective.loss(X, y, beta, weights) == pytest.approx(weights @ losses, rel=1e-12)


@pytest.mark.parametrize("text", CASES)
def test_repeated_rows_count_as_often_as_their_weights_say(text):
    X, y, beta = data(text)
    objective, times = objective_of(text), np.random.default_rng(1).integers(0, 4, len(y))
    more, labels, weights = np.repeat(X, times, axis=0), np.repeat(y, times), times.astype(float)
    np.testing.assert_allclose(
        objective.gradient(X, y, beta, weights),
        objective.gradient(more, labels, beta, None),
        rtol=1e-10,
    )
    assert objective.loss(X, y, beta, weights) == pytest.approx(
        objective.loss(more, labels, beta), rel=1e-12
    )
    assert objective.scores(X, y, beta, weights) == pytest.approx(
        objective.scores(more, labels, beta), rel=1e-12
    )


@pytest.mark.parametrize("text", CASES)
def test_no_labels_are_zeros_and_rows_of_zeros_contribute_nothing(text):
    X, y, beta = data(text)
    objective = objective_of(text)
    np.testing.assert_array_equal(
        objective.gradient(X, None, beta, None), objective.gradient(X, 0 * y, beta, None)
    )
    padded, labels = np.vstack([X, np.zeros((3, 5))]), np.append(y, np.zeros(3))
    np.testing.assert_allclose(
        objective.gradient(padded, labels, beta, None),
        objective.gradient(X, y, beta, None),
        rtol=1e-12,
    )


@pytest.mark.parametrize("text", CASES)
def test_pieces_that_fit_the_cache_add_up(text):
    X, y, beta = data(text, 30_000, 20)
    objective, weights = objective_of(text), np.random.default_rng(1).random(len(y))
    expected = sum(
        objective.gradient(X[rows], y[rows], beta, weights[rows])
        for rows in np.array_split(np.arange(len(y)), 100)
    )
    np.testing.assert_allclose(objective.gradient(X, y, beta, weights), expected, rtol=1e-9)


def test_what_a_subclass_adds_to_the_gradient_is_added_once_and_not_for_each_piece():
    class Ridge(LeastSquares):
        def gradient(self, X, y, beta, weights):
            return super().gradient(X, y, beta, weights) + 7 * beta

    X, y, beta = data("least-squares", rows=6000, features=100)
    assert X.nbytes > SMALL_BYTES
    expected = X.T @ (X @ beta - y) + 7 * beta
    np.testing.assert_allclose(Ridge().gradient(X, y, beta, None), expected)


@pytest.mark.parametrize("text", CASES)
def test_arguments_are_left_alone(text):
    X, y, beta = data(text)
    weights = np.ones(len(y))
    for array in (X, y, beta, weights):
        array.flags.writeable = False
    objective = objective_of(text)
    objective.gradient(X, y, beta, weights)
    objective.loss(X, y, beta, weights)
    objective.scores(X, y, beta)
    objective.check_labels(np.unique(y))


@pytest.mark.parametrize("text", [case for case in CASES if objectives.create(case).curvature])
def test_the_curvature_is_a_bound(text):
    X, y, beta = data(text)
    objective = objective_of(text)
    bound = objective.curvature * np.linalg.norm(X, 2) ** 2
    for point in (beta, 0 * beta, 5 * beta):
        assert np.linalg.eigvalsh(hessian(objective, X, y, point)).max() <= bound * (1 + 1e-6)
    whole = objective.curvature * np.kron(np.eye(len(beta) // 5), X.T @ X)
    assert np.linalg.eigvalsh(whole - hessian(objective, X, y, beta)).min() > -1e-6


@pytest.mark.parametrize("text", CASES)
def test_the_loss_of_single_precision_is_not_rounded_to_it(text):
    """Margins may be rounded, sums over rows may not: a line search compares losses."""
    X, y, beta = data(text, 20_000)
    objective = objective_of(text)
    whole, given = objective.loss(X, y, beta), [each.astype(np.float32) for each in (X, y, beta)]
    found = objective.loss(*given)
    assert found == pytest.approx(whole, rel=1e-6)
    assert found != float(np.float32(found))
    X, y, beta = (each.astype(np.float64) for each in given)
    z = objective.margins(given[0], given[2]).astype(np.float64)
    assert found == pytest.approx(objective.losses(z, y).sum(), rel=1e-12)


@pytest.mark.parametrize("text", CASES)
def test_an_objective_computes_with_the_type_of_the_rows(text):
    X, y, beta = data(text)
    objective, weights = objective_of(text), np.random.default_rng(1).uniform(1, 2, len(y))
    single = [each.astype(np.float32) for each in (X, y, beta, weights)]
    for labels, factors in ((y, weights), (None, None)):
        given = [single[0], labels if labels is None else single[1], single[2]]
        found = objective.gradient(*given, factors if factors is None else single[3])
        exact = objective.gradient(X, labels, beta, factors)
        assert found.dtype == np.float32
        assert np.linalg.norm(found - exact) < 1e-5 * np.linalg.norm(exact)
