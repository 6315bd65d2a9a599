"""What tests train: every replication scheme, and objectives that notice rows of zeros."""

import numpy as np

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


def source_of(title):
    return ArraySource("data", *data(title), "in memory")


def begin(name, title, source=None, **options):
    """A trainer; the objective may be given in the place of its title."""
    objective = made(title) if isinstance(title, str) else title
    options = {"ridge": RIDGE, "step_size": "1e-3"} | options_of(name) | options
    config = RunConfig(scheme=name, workers=WORKERS, transport="simulated", **options)
    setup = prepare(config, None, objective)
    transport = SimulatedTransport(WORKERS, objective)
    return Trainer(setup, transport, setup.problem(source or source_of(title)))


def decoded(trainer, points):
    """The gradient and the loss that the optimizer is given at each point."""
    found = []
    trainer.optimizer.needs_loss = True
    trainer.optimizer.update = lambda *arguments: found.append(arguments)
    trainer.start()
    for point in points:
        trainer.optimizer.beta = trainer.optimizer.point = point
        trainer.step()
    return found


def points(problem, count=1):
    return np.random.default_rng(8).standard_normal((count, problem.parameters))
