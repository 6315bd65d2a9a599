"""Multinomial logistic regression: its numbers, its labels, and what follows from them."""

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.special import softmax as chances_of

from coded_dgd import train
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.preparation.labels import encoded
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource


def softmax(classes=3):
    objective = objectives.create("softmax")
    objective.learn_classes(np.arange(float(classes)))
    return objective


def test_losses_and_slopes_are_those_of_scipy():
    rng = np.random.default_rng(0)
    z, y = 10 * rng.standard_normal((50, 4)), rng.integers(0, 4, 50)
    objective = softmax(4)
    np.testing.assert_allclose(
        objective.losses(z, y.astype(float)), -log_softmax(z, axis=1)[np.arange(50), y], rtol=1e-12
    )
    np.testing.assert_allclose(
        objective.slope(z, y.astype(float)), chances_of(z, axis=1) - np.eye(4)[y], atol=1e-15
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [0.0, 30.0, 750.0, 1e4, 1e300])
def test_margins_of_any_size(scale):
    z = np.array([[scale, 0.0, -scale]] * 3)
    losses, slope = (
        each(z, np.array([0.0, 1.0, 2.0])) for each in (softmax().losses, softmax().slope)
    )
    assert np.isfinite(losses).all() and np.isfinite(slope).all()
    if scale >= 30:
        np.testing.assert_allclose(losses, [0, scale, 2 * scale], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(slope[2], [1, 0, -1], atol=1e-12)


def test_two_classes_are_logistic_regression():
    rng = np.random.default_rng(0)
    X, y, beta = rng.standard_normal((20, 3)), rng.integers(0, 2, 20), rng.standard_normal(6)
    logistic, difference = objectives.create("logistic"), beta[3:] - beta[:3]
    assert softmax(2).loss(X, y, beta) == pytest.approx(logistic.loss(X, y, difference), rel=1e-13)
    gradient = logistic.gradient(X, y, difference, None)
    np.testing.assert_allclose(
        softmax(2).gradient(X, y, beta, None), np.append(-gradient, gradient), rtol=1e-12
    )


def test_the_accuracy_is_that_of_the_largest_margin():
    X, y = np.eye(3), np.array([4.0, 7.0, 4.0])
    objective = objectives.create("softmax")
    problem = Problem(encoded(ArraySource("data", X, y, "in memory"), objective), objective)
    assert problem.parameters == 6
    beta = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]]).ravel()  # rows are classes 4 and 7
    assert problem.scores(beta) == {"accuracy": pytest.approx(2 / 3)}


@pytest.mark.parametrize("labels", [[1, 2], [0, 1, 2], [-7, 3, 1e6], range(1000)])
def test_good_labels(labels):
    classes = np.array(labels, float)
    objective = objectives.create("softmax")
    assert objective.check_labels(classes) is None
    np.testing.assert_array_equal(objective.encode_labels(classes), np.arange(len(classes)))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([3, 3], "and all of them are 3: add rows with other labels"),
        ([0.5, 1, 2], r"and there are 3 different ones \(0.5, 1, 2\): convert them"),
        (range(1001), r"and there are 1001 different ones \(0, 1, 2, ...\): convert them"),
    ],
)
def test_bad_labels(labels, said):
    source = ArraySource("data", np.ones((len(labels), 1)), np.array(labels, float), "in memory")
    wanted = "data: the labels have to be 2 to 1000 different whole numbers, one for each class, "
    with pytest.raises(DataError, match=wanted + said):
        encoded(source, objectives.create("softmax"))


def test_without_classes_there_is_no_size():
    with pytest.raises(UsageError, match="size returned the int 0"):
        Problem(
            ArraySource("data", np.eye(2), np.ones(2), "in memory"), objectives.create("softmax")
        )


def three_classes(rows=91, features=4):
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.standard_normal((rows, features)), np.ones(rows)])
    margins = X @ rng.standard_normal((features + 1, 3))
    return X, np.array([2.0, 5.0, 11.0])[margins.argmax(axis=1)]


@pytest.mark.filterwarnings("ignore:not converged")
@pytest.mark.parametrize("scheme", ["uc-mmc", "gc", "uncoded"])
@pytest.mark.parametrize("optimizer", ["gd", "nesterov"])
def test_a_run_is_what_one_process_does(scheme, optimizer):
    X, y = three_classes()
    load = 3 if scheme != "uncoded" else None
    result = train(
        X, y, objective="softmax", scheme=scheme, workers=6, load=load,
        transport="simulated", iterations=30, optimizer=optimizer, ridge=0.5, check_gradient=True,
    )  # fmt: skip
    objective = objectives.create("softmax")
    problem = Problem(encoded(ArraySource("data", X, y, "in memory"), objective), objective, 0.5)
    step = 1 / (0.5 * problem.largest_eigenvalue() + 0.5)
    beta = point = np.zeros(15)
    for t in range(1, 31):
        before, beta = beta, point - step * problem.gradient(point)
        point = beta + (t / (t + 3) if optimizer == "nesterov" else 0) * (beta - before)
    np.testing.assert_allclose(result.coef_, beta.reshape(3, 5), rtol=1e-8, atol=1e-10)
    assert result.summary["accuracy"] > 0.7
    assert list(result.summary["classes"]) == [2, 5, 11]
