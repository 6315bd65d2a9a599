"""Optimizers that ask for products or losses go on through what may happen to a run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.trainer import Trainer
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.in_memory import open_arrays

WORKERS, FEATURES = 6, 8
DYNAMIC, STALE = "own_dynamic:TakeNext", "own_stale:Newest:fresh=3"
PAIRS = [("cg", "least-squares"), ("lbfgs", "least-squares"), ("lbfgs", "logistic")]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)


def source(objective):
    dice = np.random.default_rng(0)
    X = dice.standard_normal((61, FEATURES)) * np.geomspace(1, 10, FEATURES)
    y = X @ dice.standard_normal(FEATURES) + dice.standard_normal(61)
    return ArraySource("test", X, np.sign(y) if objective == "logistic" else y, "")


def prepared(scheme, optimizer, objective, **options):
    given = {
        "workers": WORKERS, "optimizer": optimizer, "objective": objective, "ridge": 0.1,
        "iterations": 80, "stop_at": 1e-8, "check_gradient": True,
    }  # fmt: skip
    return prepare(RunConfig(scheme=scheme, transport="simulated", **(given | options)), None)


def run(scheme, optimizer, objective, losses=None, **options):
    setup = prepared(scheme, optimizer, objective, **options)
    return job.run(
        setup, SimulatedTransport(WORKERS, losses=losses), problem=setup.problem(source(objective))
    )


def assert_solved(outcome, limit=1e-8):
    """The run has ended where the gradient is small indeed, and no gradient was wrong."""
    problem = outcome.start.problem
    first = np.linalg.norm(problem.gradient(np.zeros(FEATURES)))
    assert outcome.status == "converged"
    assert np.linalg.norm(problem.gradient(outcome.beta)) <= 1.01 * limit * first
    assert max(record.gradient_error for record in outcome.log) < limit


@pytest.mark.parametrize(("optimizer", "objective"), PAIRS)
@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("uncoded", {"on_loss": "replan"}),
        ("uc-mmc", {"load": 2}),
        ("gc", {"load": 3}),
        ("gc", {"load": 2, "on_loss": "replan"}),
        ("lcc-mmc", {"load": 4}),
        ("lcc-mmc", {"load": 2, "on_loss": "replan"}),
        ("mds-mmc", {"load": 1, "blocks": 2}),
    ],
)
def test_they_go_on_after_the_loss_of_workers(optimizer, objective, scheme, options):
    if objective == "logistic" and scheme in ("lcc-mmc", "mds-mmc"):
        pytest.skip("coded schemes decode gradients of degree 2")
    two = options.get("load") != 2 or options.get("on_loss")
    losses = {2: 0.1, 4: 0.3} if two else {2: 0.1}
    outcome = run(scheme, optimizer, objective, losses, **options)
    assert len(outcome.losses) == len(losses)
    assert len(outcome.stages) > 1 or not options.get("on_loss")
    assert_solved(outcome)


@pytest.mark.parametrize(("optimizer", "objective"), PAIRS)
def test_they_go_on_with_dynamic_schemes(optimizer, objective):
    assert_solved(run(DYNAMIC, optimizer, objective, blocks=18, load=9))


def test_older_messages_answer_another_question():
    with pytest.raises(Infeasible, match="needs exact gradients"):
        prepared(STALE, "cg", "least-squares")


@pytest.mark.parametrize("optimizer", ["cg", "lbfgs"])
def test_the_guard_may_wait(optimizer):
    outcome = run("lcc-mmc", optimizer, "least-squares", load=3, guard=2.5)
    assert any(record.extra_messages for record in outcome.log)
    assert_solved(outcome)


@pytest.mark.parametrize(("optimizer", "objective"), PAIRS)
def test_workers_may_compute_with_single_precision(optimizer, objective):
    outcome = run("uc-mmc", optimizer, objective, load=3, dtype="float32", stop_at=1e-5)
    assert_solved(outcome, 1e-5)


@pytest.mark.parametrize("optimizer", ["cg", "lbfgs"])
def test_sparse_rows_answer_products_and_losses(optimizer):
    X, y = source("least-squares").read(0, 61)
    data = open_arrays(csr_array(np.where(np.abs(X) < 1, 0, X)), y)
    setup = prepared("uc-mmc", optimizer, "least-squares", load=3, kernel="sparse")
    outcome = job.run(setup, SimulatedTransport(WORKERS), problem=setup.problem(data))
    assert outcome.start.kernel == "sparse"
    assert_solved(outcome)


@pytest.mark.parametrize(("optimizer", "objective"), PAIRS)
@pytest.mark.parametrize("after", range(1, 9))
def test_the_scheme_may_change_in_between(optimizer, objective, after):
    setup = prepared("uc-mmc", optimizer, objective, load=3)
    problem = setup.problem(source(objective))
    one, other = (Trainer(setup, SimulatedTransport(WORKERS), problem) for _ in range(2))
    for trainer in (one, other):
        trainer.start()
    for _ in range(after):
        one.step(), other.step()
    scheme = "gc" if objective == "logistic" else "lcc-mmc"
    one.change(replace(setup.config, scheme=scheme, load=2), range(5), False)
    approximate = replace(setup.config, scheme="ignore-stragglers", load=None)
    with pytest.raises(Infeasible, match="needs exact gradients, and those of ignore-stragglers"):
        one.change(approximate, range(5), False)
    for _ in range(4):
        one.step(), other.step()
        np.testing.assert_allclose(one.optimizer.beta, other.optimizer.beta, rtol=1e-6)
    while not one.converged:
        one.step()
