"""Runs as matrix products against the real master and workers, straggler pattern by pattern."""

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.problems import objectives, step_sizes
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.schemes._stochastic import StochasticScheme
from coded_dgd.theory.stochastic_training import iterates

WORKERS, ITERATIONS, P = 12, 25, 0.4
DATA = "synthetic:rows=61,features=8"
STEP = "power-law:scale=50,power=0.7"

CASES = [
    (name, {})
    for name in schemes.names()
    if isinstance(schemes.create(name, WORKERS), StochasticScheme)
]
CASES += [
    ("sgc", {"redundancy": 3.5}),
    ("bgc", {"blocks": 20, "redundancy": 3}),
    ("sgc-send-all", {"normalisation": "printed"}),
]


def engine(name, iterations=ITERATIONS, **options):
    """A whole run of master and workers in virtual time."""
    config = RunConfig(
        scheme=name,
        workers=WORKERS,
        transport="simulated",
        data=DATA,
        delay=f"bernoulli:p={P},slow=inf,fast=0.01",
        wait="deadline:0.1",
        p=str(P),
        step_size=STEP,
        iterations=iterations,
        seed=3,
        **options,
    )
    return job.run(prepare(config, None), SimulatedTransport(WORKERS))


def finished_in(outcome):
    """Who had finished in each iteration of a run: (iterations, M)."""
    scheme = outcome.setup.scheme
    return np.isfinite(outcome.setup.delay.trace(ITERATIONS, WORKERS, scheme.work)[..., 0])


def problem():
    return Problem(open_source(DATA, 3), objectives.create("least-squares"))


def replayed(outcomes, chunks=1):
    """The same runs side by side as matrix products: (iterations, runs, l)."""
    same = problem()
    X, y = same.source.read(0, same.source.rows)
    finished = np.array([finished_in(outcome) for outcome in outcomes])
    fitted = [outcome.setup.scheme for outcome in outcomes]
    schedule = step_sizes.parse(STEP)(same)
    parts = np.array_split(finished, chunks, axis=1)
    return np.array(list(iterates(X, y, schedule, fitted, parts)))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_trajectory_is_that_of_the_engine(name, options):
    outcome = engine(name, **options)
    finished = finished_in(outcome)
    assert 0.4 < finished.mean() < 0.8
    betas = replayed([outcome])[:, 0]
    assert betas.shape == (ITERATIONS, 8)
    np.testing.assert_allclose(betas[-1], outcome.beta, rtol=1e-10)
    same = problem()
    schedule = step_sizes.parse(STEP)(same)
    moved = np.linalg.norm(np.diff(betas, axis=0, prepend=0), axis=1)
    steps = [schedule(t) for t in range(1, ITERATIONS + 1)]
    norms = [record.gradient_norm for record in outcome.log]
    np.testing.assert_allclose(moved / steps, norms, rtol=1e-7)


def test_another_pattern_is_another_trajectory():
    outcome = engine("sgc")
    same = problem()
    X, y = same.source.read(0, same.source.rows)
    finished = finished_in(outcome)
    finished[7, 4] ^= True
    schedule = step_sizes.parse(STEP)(same)
    *_, beta = iterates(X, y, schedule, [outcome.setup.scheme], [finished[None]])
    assert np.abs(beta[0] - outcome.beta).max() > 1e-3


def test_runs_side_by_side_are_those_alone_whatever_the_chunks():
    outcomes = [engine(name, **options) for name, options in CASES]
    together = replayed(outcomes, chunks=4)
    for column, outcome in enumerate(outcomes):
        np.testing.assert_allclose(together[:, column], replayed([outcome])[:, 0], rtol=1e-10)


def test_nobody_missing_is_gradient_descent():
    same = problem()
    X, y = same.source.read(0, same.source.rows)
    fitted = schemes.create("sgc", WORKERS, p="0")
    fitted.fit(same.source.rows, same.block_norms)
    step = 1 / same.lipschitz()
    finished = np.ones((1, ITERATIONS, WORKERS), dtype=bool)
    beta = np.zeros(8)
    for (found,) in iterates(X, y, lambda _: step, [fitted], [finished]):
        beta = beta - step * same.gradient(beta)
        np.testing.assert_allclose(found, beta, rtol=1e-10)
