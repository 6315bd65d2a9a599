"""Logistic regression: its gradient, its labels, and whole runs of schemes that can do it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import DataError, Infeasible
from coded_dgd.problems import objectives
from coded_dgd.problems.preparation.labels import encoded
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource

LOGISTIC = objectives.create("logistic")


def data(rows=40, features=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, features))
    y = np.where(X @ rng.standard_normal(features) + rng.standard_normal(rows) > 0, 1.0, -1.0)
    return X, y, rng.standard_normal(features)


def differences(loss, beta, step=1e-5):
    return np.array(
        [(loss(beta + unit) - loss(beta - unit)) / (2 * step) for unit in step * np.eye(len(beta))]
    )


@given(st.integers(0, 10**6))
def test_labels_of_either_kind_give_the_same(seed):
    X, y, beta = data(seed=seed)
    other = (y + 1) / 2
    assert LOGISTIC.loss(X, y, beta) == LOGISTIC.loss(X, other, beta)
    assert LOGISTIC.scores(X, y, beta) == LOGISTIC.scores(X, other, beta)
    np.testing.assert_array_equal(
        LOGISTIC.gradient(X, y, beta, None), LOGISTIC.gradient(X, other, beta, None)
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("z", [0.0, 30.0, 750.0, 1e4, 1e300])
@pytest.mark.parametrize("label", [1.0, -1.0, 0.0])
def test_margins_of_any_size(z, label):
    sign = 1.0 if label > 0 else -1.0
    for margin in (z, -z):
        X, y, beta = np.array([[margin]]), np.array([label]), np.ones(1)
        loss = LOGISTIC.loss(X, y, beta)
        slope = LOGISTIC.slope(X @ beta, y)[0]
        if sign * margin < -30:
            assert (loss, slope) == (pytest.approx(abs(margin), rel=1e-12), -sign)
        elif sign * margin > 700:
            assert (loss, abs(slope)) == (0, 0)
        else:
            assert loss == pytest.approx(np.log1p(np.exp(-sign * margin)), rel=1e-12)
            assert slope == pytest.approx(-sign / (1 + np.exp(sign * margin)), rel=1e-12)


def test_slopes_are_accurate_where_they_are_small():
    slope = LOGISTIC.slope(np.array([40.0, -40.0]), np.array([1.0, -1.0]))
    np.testing.assert_allclose(slope, [-np.exp(-40), np.exp(-40)], rtol=1e-12)


def test_the_curvature_is_a_bound():
    X, y, beta = data()
    for point in (beta, 0 * beta, 5 * beta):
        hessian = np.array(
            [
                differences(lambda b, k=k: LOGISTIC.gradient(X, y, b, None)[k], point)
                for k in range(5)
            ]
        )
        assert np.linalg.eigvalsh(0.25 * X.T @ X - (hessian + hessian.T) / 2).min() > -1e-6
    X = np.array([[2.0]])  # reached where the margin is 0
    hessian = differences(lambda b: LOGISTIC.gradient(X, np.ones(1), b, None)[0], np.zeros(1))
    assert hessian[0] == pytest.approx(0.25 * 4, rel=1e-6)


def test_accuracy():
    X = np.array([[2.0], [-1.0], [-3.0], [0.5]])
    y = np.array([1.0, -1.0, 1.0, -1.0])
    assert LOGISTIC.scores(X, y, np.ones(1)) == {"accuracy": 2.0}
    assert LOGISTIC.scores(X, (y + 1) / 2, -np.ones(1)) == {"accuracy": 2.0}
    whole = Problem(ArraySource("test", X, y, "in memory"), LOGISTIC)
    assert whole.scores(np.ones(1)) == {"accuracy": 0.5}
    assert Problem(whole.source, objectives.create("least-squares")).scores(np.ones(1)) == {}


# Labels


GOOD = [[1, -1], [1, 0], [-1, 1, -1], [1, 2], [3.7, -0.2], [0, -1], [1e100, -1e100]]
BAD = {
    (1, 1): "and all of them are 1: add rows",
    (0, 0): "and all of them are 0: add rows",
    (1, -1, 0): r"and there are 3 different ones \(-1, 0, 1\): convert them",
    (0.5, 1, 2, 2.5, 3): r"and there are 5 different ones \(0.5, 1, 2, ...\): convert them",
}


@pytest.mark.parametrize("labels", GOOD)
def test_good_labels(labels):
    assert LOGISTIC.check_labels(np.unique(labels)) is None
    assert LOGISTIC.encode_labels(np.unique(labels)).tolist() == [-1, 1]


@pytest.mark.parametrize("labels", BAD)
def test_bad_labels_are_refused_with_the_name_of_the_file(tmp_path, labels):
    path = tmp_path / "labels.npy"
    A = np.column_stack([np.arange(1.0, 1 + len(labels)), labels])
    np.save(path, A)
    config = RunConfig(
        scheme="uncoded",
        workers=2,
        data=str(path),
        objective="logistic",
        transport="simulated",
        iterations=2,
    )
    more = r" \(--objective softmax takes more classes\)" if len(set(labels)) > 2 else ""
    words = f"the labels have to be two different numbers, one for each class{more}, {BAD[labels]}"
    with pytest.raises(DataError, match=words) as caught:
        job.run(prepare(config, None), SimulatedTransport(2))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_labels_are_checked_across_windows():
    class Windowed(ArraySource):
        def windows(self, rows_at_once=2):
            return super().windows(rows_at_once)

    X = np.ones((4, 1))
    for y, good in [([1, 1, -1, -1], True), ([1, 1, 0, 0], True), ([1, -1, 1, 0], False)]:
        source = Windowed("test", X, np.array(y, dtype=float), "in memory")
        if good:
            assert encoded(source, LOGISTIC).classes == (min(y), max(y))
        else:
            with pytest.raises(DataError, match="test: the labels"):
                encoded(source, LOGISTIC)


# Which schemes can do it


CODED = [name for name in schemes.names() if schemes.create(name, 6).coded]
REPLICATION = [name for name in schemes.names() if name not in CODED]


def test_coded_schemes():
    assert CODED == ["lcc", "lcc-mmc", "mds-mmc"]


@pytest.mark.parametrize("name", [*CODED, "lcc-mmc-2"])
def test_coded_schemes_refuse_it_and_say_why(name):
    words = rf"{name} decodes gradients of degree 2 in the data, which that of logistic is not: use"
    with pytest.raises(Infeasible, match=words):
        prepare(RunConfig(scheme=name, workers=6, objective="logistic"), None)


@pytest.fixture
def file(tmp_path):
    X, y, _ = data(61, 6)
    np.save(tmp_path / "data.npy", np.column_stack([X, y]))
    return tmp_path / "data.npy"


RUNS = [(name, {"tolerance": 0.0} if name == "uc-mmc-pg" else {}) for name in REPLICATION]
RUNS += [("gc", {"load": 4}), ("gc", {"load": 5}), ("sgc", {"blocks": 20}), ("bgc", {"blocks": 7})]


@pytest.mark.parametrize(("name", "options"), RUNS)
@pytest.mark.parametrize(("optimizer", "ridge"), [("gd", 0.0), ("nesterov", 0.7)])
def test_runs_do_what_one_process_does(name, options, optimizer, ridge, file):
    """Blocks of several rows with coefficients of their own among them."""
    config = RunConfig(
        scheme=name,
        workers=6,
        data=str(file),
        objective="logistic",
        optimizer=optimizer,
        ridge=ridge,
        transport="simulated",
        iterations=40,
        check_gradient=True,
        **options,
    )
    outcome = job.run(prepare(config, None), SimulatedTransport(6))
    completion = [record.completion_time for record in outcome.log]
    np.testing.assert_allclose(completion, outcome.ideal, rtol=1e-12)
    assert max(record.gradient_error for record in outcome.log) <= 1e-8
    assert [record.loss for record in outcome.log] == [None] * 40  # the gradient does not tell it
    A = np.load(file)
    whole = Problem(ArraySource("A", A[:, :-1], A[:, -1], "in memory"), LOGISTIC, ridge)
    step = 1 / whole.lipschitz()
    assert outcome.start.step == pytest.approx(step, rel=1e-12)
    beta = point = np.zeros(6)
    for t in range(1, 41):
        before, beta = beta, point - step * whole.gradient(point)
        point = beta + (t / (t + 3) if optimizer == "nesterov" else 0) * (beta - before)
    assert np.linalg.norm(outcome.beta - beta) <= 1e-8 * np.linalg.norm(beta)
    assert whole.loss(beta) < whole.loss(np.zeros(6))
    assert whole.optimum() is None
