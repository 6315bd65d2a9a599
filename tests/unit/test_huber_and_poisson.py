"""Huber and Poisson regression: their formulas, their labels, and runs that cannot go well."""

import json

import numpy as np
import pytest
from scipy.special import huber
from scipy.stats import poisson

from coded_dgd import train
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError, Diverged, UsageError
from coded_dgd.problems import objectives

HUBER, POISSON = objectives.create("huber:delta=0.7"), objectives.create("poisson")


def test_the_huber_loss_is_that_of_scipy():
    z, y = np.linspace(-3, 3, 61), np.full(61, 0.4)
    np.testing.assert_allclose(HUBER.losses(z, y), huber(0.7, z - y), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(HUBER.slope(z, y), np.clip(z - y, -0.7, 0.7))


@pytest.mark.filterwarnings("error")
def test_far_residuals_do_not_overflow():
    assert HUBER.losses(np.array([1e300, -1e300]), np.zeros(2)) == pytest.approx([7e299, 7e299])


def test_delta_is_135_unless_given():
    assert objectives.create("huber").delta == 1.35


@pytest.mark.parametrize("delta", ["0", "-1", "inf", "nan"])
def test_a_delta_that_cannot_be(delta):
    with pytest.raises(UsageError, match=r"huber: delta = .* has to be a positive number"):
        objectives.create(f"huber:delta={delta}")


def test_the_mean_absolute_error():
    X, y = np.array([[1.0], [2.0]]), np.array([2.0, -1.0])
    assert HUBER.scores(X, y, np.ones(1)) == {"mean_absolute_error": 4.0}


def test_the_poisson_loss_is_a_likelihood_up_to_a_constant():
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal(30), rng.poisson(2.0, 30).astype(float)
    left = POISSON.losses(z, y) + poisson.logpmf(y, np.exp(z))
    np.testing.assert_allclose(left, 1 + poisson.logpmf(y, 1), rtol=1e-12, atol=1e-14)


def test_the_deviance_is_twice_the_distance_to_the_saturated_model():
    X, y = np.array([[1.0], [0.5], [2.0]]), np.array([3.0, 0.0, 1.0])
    mean = np.exp(X[:, 0])
    expected = 2 * np.sum(np.array([3 * np.log(3), 0, 0]) - y * X[:, 0] - y + mean)
    assert POISSON.scores(X, y, np.ones(1)) == {
        "mean_poisson_deviance": pytest.approx(expected, rel=1e-12)
    }


def counts(rows=61):
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.standard_normal((rows, 3)), np.ones(rows)])
    return X, rng.poisson(np.exp(X @ [0.5, -0.3, 0.2, 1.0])).astype(float)


OPTIONS = {"scheme": "uc-mmc", "load": 3, "workers": 6, "transport": "simulated"}


def test_negative_labels_are_refused():
    X, y = counts()
    y[3] = -1
    with pytest.raises(DataError, match="the labels have to be numbers that are 0 or more"):
        train(X, y, objective="poisson", step_size=0.001, **OPTIONS)


@pytest.mark.filterwarnings("ignore:not converged")
@pytest.mark.parametrize(
    ("objective", "step", "score"),
    [
        ("poisson", 0.003, "mean_poisson_deviance"),
        ("huber:delta=0.5", "auto", "mean_absolute_error"),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_is_what_one_process_does(objective, step, score, dtype):
    X, y = counts()
    result = train(
        X, y, objective=objective, step_size=step, dtype=dtype, iterations=40, ridge=0.1, **OPTIONS
    )
    model, beta = objectives.create(objective), np.zeros(4)
    size = result.summary["step_size"]
    for _ in range(40):
        beta = beta - size * (model.gradient(X, y, beta, None) + 0.1 * beta)
    precise = 1e-10 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(result.coef_, beta, rtol=precise, atol=precise)
    assert result.summary[score] == pytest.approx(
        model.scores(X, y, result.coef_)[score] / len(y), rel=1e-12
    )


def test_poisson_needs_a_step_size():
    with pytest.raises(UsageError, match="--step-size auto needs a bound of the objective's curv"):
        train(*counts(), objective="poisson", **OPTIONS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_above_its_largest_margin_the_poisson_loss_is_a_tangent(dtype):
    z = np.array([59.9, 60.0, 61.0, 1000.0, 1e30], dtype)
    y, power = np.full(5, 2.0, dtype), np.exp(60.0)
    slope, losses = POISSON.slope(z, y), POISSON.losses(z.astype(float), y)
    precise = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(slope[1:], power, rtol=precise)
    np.testing.assert_allclose(losses[1:], power * (z[1:].astype(float) - 59.0), rtol=precise)
    assert losses[0] == pytest.approx(np.exp(59.9), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("seed", [3, 38])
def test_a_line_search_comes_back_from_powers_that_are_too_large(seed, dtype):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_t(1.2, (60, 4)) * 100, np.zeros(60)
    y[rng.integers(0, 60, 10)] = rng.integers(1, 1000, 10)
    result = train(
        X, y, objective="poisson", optimizer="lbfgs", iterations=300, ridge=0.01, dtype=dtype,
        **OPTIONS,
    )  # fmt: skip
    norms = [record.gradient_norm for record in result.history]
    assert norms[-1] < 1e-4 * norms[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("step", [1.0, 1e3, 1e30])
def test_powers_that_are_too_large_are_divergence(step, dtype):
    with pytest.raises(Diverged, match=r"diverged in iteration \d.*: a smaller --step-size may"):
        train(*counts(), objective="poisson", step_size=step, dtype=dtype, **OPTIONS)


def test_the_command_line_takes_a_delta(tmp_path, capsys):
    np.save(tmp_path / "data.npy", np.column_stack(counts()))
    command = ["run", "--scheme", "gc", "--workers", "6", "--load", "3", "--transport", "simulated"]
    command += [
        "--data",
        str(tmp_path / "data.npy"),
        "--iterations",
        "5",
        "--out",
        str(tmp_path / "run"),
    ]
    command += ["--objective", "huber:delta=0.3", "--json"]
    assert run_command_line(command) == 0
    out, err = capsys.readouterr()
    assert f"mean absolute error         {json.loads(out)['mean_absolute_error']:.6g}\n" in err
