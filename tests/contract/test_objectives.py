"""Every scheme that accepts an objective decodes its gradient, at any point; the others refuse it.

The reference is written down here once more, from the formula; whole runs in virtual time are held
against it, with ridge, labels, a point that is not zero, and rows that the blocks do not divide.
"""

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.objectives import LinearModel, Objective, create
from coded_dgd.problems.sources.base import ArraySource

ROWS, FEATURES, WORKERS, RIDGE = 31, 5, 6, 0.7
OPTIONS = {"uc-mmc-pg": {"tolerance": 0.0}, "gc": {"load": 3}, "sgc": {"blocks": 10}}
LOADS = {"lcc", "lcc-mmc", "lcc-mmc-2", "mds-mmc", "uc-mmc", "uc-mmc-pg"}
NAMES = [*schemes.names(), "lcc-mmc-2"]
CODED = {"lcc", "lcc-mmc", "lcc-mmc-2", "mds-mmc"}


class Twice(Objective):
    """||X beta - y||^2, the loss of Theorem 1 of Bitar et al."""

    degree, curvature = 2, 2.0

    def gradient(self, X, y, beta, weights):
        residual = X @ beta if y is None else X @ beta - y
        return 2 * X.T @ (residual if weights is None else weights * residual)

    def loss(self, X, y, beta):
        return float(np.sum((X @ beta - y) ** 2))


class Offset(LinearModel):
    """1/2 (z - y - 1)^2 per row: a polynomial of degree 2 without labels, but not a form."""

    curvature = 1.0

    def slope(self, z, y):
        return z - 1 if y is None else z - y - 1

    def loss(self, X, y, beta):
        return float(np.sum((X @ beta - y - 1) ** 2)) / 2


class Pairs(Objective):
    """Least squares of differences of two features, each row times 3: of degree 2, no X beta."""

    degree, curvature = 2, 27.0

    def gradient(self, X, y, beta, weights):
        D = X - np.roll(X, 1, axis=1)
        residual = 3 * (D @ beta if y is None else D @ beta - y)
        return (residual if weights is None else weights * residual) @ D

    def loss(self, X, y, beta):
        return 1.5 * float(np.sum(((X - np.roll(X, 1, axis=1)) @ beta - y) ** 2))


class RowFactors(LinearModel):
    """Least squares with a factor for each row that its label makes."""

    curvature = 3.0

    def slope(self, z, y):
        return (1 + 2 * np.tanh(y**2)) * (z - y)

    def loss(self, X, y, beta):
        return float((1 + 2 * np.tanh(y**2)) @ (X @ beta - y) ** 2) / 2


class ContentFactors(Objective):
    """Least squares with a factor for each row that its features make."""

    curvature = 1.0

    def gradient(self, X, y, beta, weights):
        factors = 1 / (1 + np.abs(X[:, 0])) * (1 if weights is None else weights)
        return (factors * (X @ beta if y is None else X @ beta - y)) @ X

    def loss(self, X, y, beta):
        return float(1 / (1 + np.abs(X[:, 0])) @ (X @ beta - y) ** 2) / 2


def data(title="least squares"):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((ROWS, FEATURES))
    z = X @ rng.standard_normal(FEATURES) + rng.standard_normal(ROWS)
    labels = {
        "logistic": lambda: np.where(z > 0, 2.0, 1.0),
        "softmax": lambda: 7.0 + np.digitize(z, [-1, 1]),
        "poisson": lambda: np.maximum(np.round(z), 0),
    }
    return X, labels.get(title, lambda: z)()


def softmax(X, y, b):
    """Chances of the classes 7, 8 and 9, and what they are for the labels."""
    powers = np.exp(X @ b.reshape(3, -1).T)
    return powers / powers.sum(axis=1, keepdims=True), y[:, None] == np.array([7, 8, 9])


# gradient and loss at beta, by hand, without the ridge
REFERENCES = {
    "least squares": (
        lambda X, y, b: X.T @ (X @ b - y),
        lambda X, y, b: np.sum((X @ b - y) ** 2) / 2,
    ),
    "twice": (
        lambda X, y, b: 2 * X.T @ (X @ b - y),
        lambda X, y, b: np.sum((X @ b - y) ** 2),
    ),
    "offset": (lambda X, y, b: X.T @ (X @ b - y - 1), None),
    "pairs": (
        lambda X, y, b: 3 * (D := X - np.roll(X, 1, 1)).T @ (D @ b - y),
        lambda X, y, b: 1.5 * np.sum(((X - np.roll(X, 1, 1)) @ b - y) ** 2),
    ),
    "factors of labels": (
        lambda X, y, b: X.T @ np.diag(1 + 2 * np.tanh(y**2)) @ (X @ b - y),
        None,
    ),
    "factors of rows": (
        lambda X, y, b: X.T @ np.diag(1 / (1 + np.abs(X[:, 0]))) @ (X @ b - y),
        None,
    ),
    "logistic": (
        lambda X, y, b: X.T @ (1 / (1 + np.exp(-X @ b)) - (y == 2)),
        None,
    ),
    "softmax": (lambda X, y, b: (np.subtract(*softmax(X, y, b)).T @ X).ravel(), None),
    "huber": (lambda X, y, b: X.T @ np.maximum(np.minimum(X @ b - y, 0.5), -0.5), None),
    "poisson": (lambda X, y, b: X.T @ (np.exp(X @ b) - y), None),
}
OBJECTIVES = {
    "least squares": create("least-squares"),
    "twice": Twice(),
    "offset": Offset(),
    "pairs": Pairs(),
    "factors of labels": RowFactors(),
    "factors of rows": ContentFactors(),
    "logistic": create("logistic"),
    "softmax": create("softmax"),
    "huber": create("huber:delta=0.5"),
    "poisson": create("poisson"),
}
CLASSIFIERS = ("logistic", "softmax")


def begin(name, title, data, dtype="float64"):
    options = OPTIONS.get(name, {"load": 3} if name in LOADS else {})
    objective = OBJECTIVES[title]
    config = RunConfig(
        scheme=name, workers=WORKERS, ridge=RIDGE, transport="simulated", dtype=dtype,
        objective=title if title in CLASSIFIERS else "least-squares", step_size="0.01",
        delay="shifted-exponential:mu=10,alpha=0.01", **options,
    )  # fmt: skip
    setup = prepare(config, None, objective)
    transport = SimulatedTransport(WORKERS, objective)
    return Trainer(setup, transport, setup.problem(ArraySource("data", *data, "in memory")))


def accepted(name, title):
    if name not in CODED:
        return True
    return title == "least squares" or (title in ("twice", "pairs") and name != "mds-mmc")


@pytest.mark.parametrize("title", OBJECTIVES)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_objective(name, title):
    X, y = data(title)
    if not accepted(name, title):
        with pytest.raises(Infeasible, match="uc-mmc"):
            begin(name, title, (X, y))
        return
    trainer = begin(name, title, (X, y))
    trainer.start()
    gradient, loss = REFERENCES[title]
    p = trainer.problem.parameters
    assert p == (3 * FEATURES if title == "softmax" else FEATURES)
    points = [np.zeros(p), *np.random.default_rng(8).standard_normal((3, p))]
    decoded = []
    trainer.optimizer.update = decoded.append
    for point in points:
        trainer.optimizer.beta = trainer.optimizer.point = point
        record = trainer.step()
        exact = gradient(X, y, point) + RIDGE * point
        np.testing.assert_allclose(decoded[-1], exact, rtol=0, atol=1e-9 * np.abs(exact).max())
        if loss is not None and trainer.setup.scheme.exact:
            assert record.loss == pytest.approx(loss(X, y, point) + RIDGE / 2 * point @ point)
        else:
            assert record.loss is None


@pytest.mark.parametrize("title", ["least squares", "twice", "pairs"])
@pytest.mark.parametrize("name", sorted(CODED - {"mds-mmc"}))
def test_coded_gradients_in_single_precision(name, title):
    X, y = data()
    trainer = begin(name, title, (X, y), "float32")
    trainer.start()
    decoded = []
    trainer.optimizer.update = decoded.append
    trainer.optimizer.beta = trainer.optimizer.point = np.ones(FEATURES)
    trainer.step()
    exact = REFERENCES[title][0](X, y, np.ones(FEATURES)) + RIDGE
    np.testing.assert_allclose(decoded[-1], exact, rtol=0, atol=1e-4 * np.abs(exact).max())


@pytest.mark.parametrize("name", ["uc-mmc", "lcc-mmc"])
@pytest.mark.parametrize("title", ["factors of labels", "factors of rows", "offset"])
def test_what_is_not_of_degree_2_but_declared_so_is_found_out(name, title, monkeypatch):
    monkeypatch.setattr(type(OBJECTIVES[title]), "degree", 2)
    if title == "factors of labels":  # without labels the factor is that of label 0
        own = RowFactors.slope
        monkeypatch.setattr(
            RowFactors,
            "slope",
            lambda self, z, y: own(self, z, np.zeros(len(z)) if y is None else y),
        )
    with pytest.raises(
        UsageError, match=r"objective (RowFactors|ContentFactors|Offset): degree = 2, but .*None"
    ):
        begin(name, title, data())


@pytest.mark.parametrize(
    "title", ["twice", "pairs", "factors of rows", "logistic", "softmax", "huber"]
)
def test_what_rests_on_least_squares_does_without(title):
    X, y = data(title)
    trainer = begin("uc-mmc", title, (X, y))
    trainer.start()
    assert trainer.problem.optimum() is None
    assert trainer.stage.master.group.kernel == "products"


def test_a_subclass_with_scores_is_least_squares():
    class Scored(type(OBJECTIVES["least squares"])):
        def scores(self, X, y, beta):
            return {"right": float(np.sum(np.abs(X @ beta - y) < 1))}

    X, y = data()
    config = RunConfig(scheme="mds-mmc", workers=WORKERS, transport="simulated", load=3)
    setup = prepare(config, None, Scored())
    assert setup.problem(ArraySource("data", X, y, "in memory")).optimum() is not None
