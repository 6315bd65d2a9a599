"""Rows of zeros that fill up blocks change neither gradient nor loss, whatever the model is.

Runs in virtual time, with rows that the blocks do not divide, are held against one process.
"""

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.problems import objectives
from coded_dgd.problems.objectives import LinearModel, Objective
from coded_dgd.problems.sources.base import ArraySource

ROWS, FEATURES, WORKERS, RIDGE = 31, 5, 6, 0.7
OPTIONS = {"uc-mmc-pg": {"tolerance": 0.0}, "gc": {"load": 3}, "sgc": {"blocks": 10}}
LOADS = {"lcc", "lcc-mmc", "mds-mmc", "uc-mmc", "uc-mmc-pg"}


def options_of(name):
    return OPTIONS.get(name, {"load": 3} if name in LOADS else {})


NAMES = [n for n in schemes.names() if not schemes.create(n, WORKERS, **options_of(n)).coded]


class Biased(Objective):
    """One hidden unit with biases: 1/2 (tanh(x^T v + b) + c - y)^2 for each row."""

    def size(self, features):
        return features + 2

    def start(self, features, seed):
        return np.random.default_rng(seed).normal(0, 1, features + 2)

    def gradient(self, X, y, beta, weights):
        assert len(X)
        *v, b, c = beta
        hidden = np.tanh(X @ v + b)
        error = (hidden + c - y) * (1 if weights is None else weights)
        inner = error * (1 - hidden**2)
        return np.concatenate([inner @ X, [inner.sum(), error.sum()]])

    def loss(self, X, y, beta, weights=None):
        *v, b, c = beta
        errors = (np.tanh(X @ v + b) + c - y) ** 2 / 2
        return float(errors.sum() if weights is None else weights @ errors)


class Positive(LinearModel):
    """exp(z) - z log(y), whose slope is not finite for the label 0 of padding."""

    def slope(self, z, y):
        assert (y > 0).all()
        return np.exp(z) - np.log(y)

    def losses(self, z, y):
        return np.exp(z) - z * np.log(y)


def made(title):
    own = {"biased": Biased, "positive": Positive}.get(title)
    return own() if own else objectives.create(title)


TITLES = [*objectives.names(), "biased", "positive"]


def data(title):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((ROWS, FEATURES))
    return X, 1.0 * rng.integers(0, 2, ROWS) + (title == "positive")


def begin(name, title, dtype="float64", **options):
    config = RunConfig(
        scheme=name, workers=WORKERS, ridge=RIDGE, transport="simulated", dtype=dtype,
        step_size="1e-3", objective=title if title in objectives.names() else "least-squares",
        **options_of(name) | options,
    )  # fmt: skip
    objective = made(title)
    setup = prepare(config, None, objective)
    transport = SimulatedTransport(WORKERS, objective)
    return Trainer(setup, transport, setup.problem(ArraySource("data", *data(title), "in memory")))


def decoded(trainer, points):
    """The gradient and the loss that the optimizer is given at each point."""
    found = []
    trainer.optimizer.update = lambda *arguments: found.append(arguments)
    for point in points:
        trainer.optimizer.beta = trainer.optimizer.point = point
        trainer.step()
    return found


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_and_loss_are_those_of_one_process(name, title):
    for options in ({}, {"blocks": 12}, {"blocks": 36, "load": 8}):
        if options and name != "uc-mmc":
            continue
        trainer = begin(name, title, **options)
        trainer.optimizer.needs_loss = True
        trainer.start()
        problem = trainer.problem
        points = np.random.default_rng(8).standard_normal((3, problem.parameters))
        for point, (gradient, loss) in zip(points, decoded(trainer, points), strict=True):
            exact = problem.gradient(point)
            np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-12 * np.abs(exact).max())
            assert loss == pytest.approx(problem.loss(point), rel=1e-12)


def test_padding_is_left_out_in_single_precision():
    trainer = begin("uc-mmc", "biased", "float32")
    trainer.start()
    point = np.ones(trainer.problem.parameters)
    [(gradient,)] = decoded(trainer, [point])
    exact = trainer.problem.gradient(point)
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-5 * np.abs(exact).max())
