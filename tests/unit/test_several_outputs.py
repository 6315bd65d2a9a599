"""Models with several parameters for each column: resume, plan, adapt, compare, one's own."""

import json
import os
import signal
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from coded_dgd import schemes, train
from coded_dgd.advising.live import block_gradients
from coded_dgd.cli import run_command_line
from coded_dgd.errors import UsageError
from coded_dgd.planner.convergence import Race, block_factors, sample
from coded_dgd.problems import objectives, remaining
from coded_dgd.problems.objectives import LinearModel
from coded_dgd.problems.preparation.labels import encoded
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.report.progress import Progress


def three_classes(rows=61, features=4):
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.standard_normal((rows, features)), np.ones(rows)])
    margins = X @ rng.standard_normal((features + 1, 3)) + rng.gumbel(size=(rows, 3))
    return X, np.array([2.0, 5.0, 11.0])[margins.argmax(axis=1)]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", np.column_stack(three_classes()))
    lines = [
        " ".join([f"{label:g}", *(f"{k + 1}:{x:.6g}" for k, x in enumerate(row) if k < 2)])
        for row, label in zip(*three_classes(), strict=True)
    ]
    (tmp_path / "data.svm").write_text("\n".join(lines) + "\n")


SOFTMAX = ["--objective", "softmax", "--workers", "6", "--transport", "simulated", "--quiet"]


def command(verb, *more, data="data.npy", iterations=20):
    return run_command_line(
        [verb, *SOFTMAX, "--data", data, "--iterations", str(iterations), *more]
    )


@pytest.mark.parametrize("data", ["data.npy", "data.svm"])
def test_a_run_that_goes_on_is_the_run_that_never_stopped(data, monkeypatch):
    assert command("run", "--scheme", "gc", "--load", "3", "--out", "whole", data=data) == 0
    done = iter(range(8))

    def update(self, record):
        if next(done, None) is None:
            os.kill(os.getpid(), signal.SIGUSR2)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "iteration", update)
        assert command("run", "--scheme", "gc", "--load", "3", "--out", "parts", data=data) == 75
    assert run_command_line(["run", "--resume", "parts", "--quiet"]) == 0
    whole, parts = np.load("whole/beta.npy"), np.load("parts/beta.npy")
    assert whole.any()
    np.testing.assert_array_equal(parts, whole)


def test_other_classes_are_not_what_the_run_was_trained_on(capsys):
    assert command("run", "--scheme", "gc", "--load", "3", "--out", "run") == 0
    X, y = three_classes()
    np.save("data.npy", np.column_stack([X, np.where(y == 2, 5, y)]))
    more = ["--quiet", "--iterations", "30", "--allow-different-data"]
    assert run_command_line(["run", "--resume", "run", *more]) == 2
    assert "the model has 15 parameters and data.npy has 10" in capsys.readouterr().err


def test_the_planner_knows_the_size_of_the_model(capsys):
    assert command("plan", "--probe", "8", "--json") == 0
    assert json.loads(capsys.readouterr().out)["choice"]["scheme"]
    assert command("run", "--scheme", "auto", "--load", "2", "--adapt", "--json") == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.5
    assert command("run", "--scheme", "uc-mmc", "--load", "2", "--adapt") == 0


def test_schemes_are_compared(capsys):
    assert command("compare", "--schemes", "uncoded,uc-mmc,ignore-stragglers", "--json") == 0
    first, second, _ = json.loads(capsys.readouterr().out)["results"]
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-9)


def in_one_process(problem, step, target, factors):
    """Number of steps to the target, with these factors of rows in the gradient."""
    X, y = problem.source.read(0, problem.source.rows)
    beta, norms = np.zeros(problem.parameters), []
    while not norms or norms[-1] > target * norms[0]:
        norms.append(np.linalg.norm(problem.gradient(beta)))
        rows = problem.objective.gradient(X, y, beta, factors)
        beta = beta - step * (rows + problem.ridge * beta)
    return len(norms) - 1


@pytest.mark.parametrize("objective", ["softmax", "least-squares"])
def test_a_race_takes_the_iterations_that_one_process_takes(objective):
    model = objectives.create(objective)
    source = sample(encoded(ArraySource("data", *three_classes(60), "in memory"), model))
    problem = Problem(source, model, 0.3)
    step = 0.03 / problem.lipschitz()
    race = Race(problem, 60, "gd", repr(float(step)), 10, target=0.4)
    assert race.iterations - 1 == in_one_process(problem, step, 0.4, None) > 2
    scheme = schemes.create("ignore-stragglers", 6, wait="fastest:4")
    arrived = np.ones((1, 6, 1), bool)
    scheme.fit(60, problem.block_norms)
    arrived[0, [1, 4]] = False
    (factors,) = np.repeat(block_factors(scheme, arrived), 60 // scheme.blocks, axis=1)
    assert factors.min() == 0 and factors.max() == pytest.approx(1.5)
    needed = in_one_process(problem, step, 0.4, factors)
    assert race.run([scheme], [arrived]) == [needed]
    assert needed != race.iterations - 1


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_blocks_add_up(weighted):
    model = objectives.create("softmax")
    source = ArraySource("data", *three_classes(), "in memory")
    if weighted:
        source.weights = np.random.default_rng(0).random(61)
    problem = Problem(encoded(source, model), model)
    point = np.random.default_rng(1).standard_normal(15)
    found = block_gradients(problem, point, 7)
    assert found.shape == (7, 15)
    np.testing.assert_allclose(found.sum(axis=0), problem.gradient(point), rtol=1e-12)


def test_what_is_left_to_gain_is_no_more_than_there_is():
    X, y = three_classes()
    model = objectives.create("softmax")
    source = ArraySource("data", X * [1, 10, 1000, 1, 1], y, "in memory")
    problem = Problem(encoded(source, model), model, 0.3)
    norms, start = problem.column_norms(), np.zeros(15)
    found = minimize(problem.loss, start, jac=problem.gradient, method="BFGS", tol=1e-9)
    for beta in (start, 0.9 * found.x):
        left, gain = (
            remaining.lower_bound(problem, beta, norms, 9.0),
            problem.loss(beta) - found.fun,
        )
        assert 0.1 * gain < left <= gain
    assert remaining.lower_bound(problem, found.x, norms, 9.0) < 1e-6


@pytest.mark.parametrize(("optimizer", "said"), [("lbfgs", False), ("gd", True)])
def test_a_run_that_has_not_converged_says_how_much_its_loss_can_be_lowered(optimizer, said):
    X, y = three_classes()
    options = {**RUN, "objective": "softmax", "optimizer": optimizer, "ridge": 0.01}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(X * [1, 1, 30, 1, 1], y, **options)
    text = " ".join(str(each.message) for each in caught)
    assert ("can be lowered by" in text) == said, text


class Two(LinearModel):
    """1/2 (z_1 - y)^2 + 1/2 (z_2 + y)^2: two outputs."""

    outputs, curvature = 2, 1.0

    def slope(self, z, y):
        return z - np.column_stack([y, -y])

    def losses(self, z, y):
        return ((z - np.column_stack([y, -y])) ** 2).sum(axis=1) / 2


RUN = {"workers": 4, "load": 2, "scheme": "uc-mmc", "transport": "simulated", "iterations": 300}


def test_a_model_of_ones_own():
    X = three_classes()[0]
    result = train(X, X @ [1.0, 2.0, -1.0, 0.5, 3.0], objective=Two(), **RUN)
    np.testing.assert_allclose(
        result.coef_, [[1, 2, -1, 0.5, 3], [-1, -2, 1, -0.5, -3]], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"slope": lambda self, z, y: (z.T - y).T[:, 0]}, r"slope returned float64 ndarray of"),
        ({"slope": lambda self, z, y: z.T}, r"slope returned .*real array of shape \(8, 2\)"),
        ({"outputs": 0}, "size returned the int 0"),
        ({"outputs": 1.5}, "size returned the float 7.5"),
        ({"losses": lambda self, z, y: z}, "losses returned float64 ndarray of shape"),
        ({"losses": LinearModel.losses}, "Mine defines neither losses nor loss"),
        ({"curvature": 0.3}, "curvature = 0.3, but"),
    ],
)
def test_a_model_of_ones_own_that_is_not_what_it_declares(spoilt, said):
    with pytest.raises(UsageError, match=said):
        train(*three_classes(), objective=type("Mine", (Two,), spoilt)(), **RUN)
