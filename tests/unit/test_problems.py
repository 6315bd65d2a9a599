"""Objectives, the whole problem, its partition into blocks, and the optimizers."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd.problems import objectives, optimizers
from coded_dgd.problems.objectives import base
from coded_dgd.problems.optimizers.gd import GradientDescent
from coded_dgd.problems.optimizers.nesterov import Nesterov
from coded_dgd.problems.partition import Partition, ReusedMemory
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource

LEAST_SQUARES = objectives.create("least-squares")


class Windowed(ArraySource):
    """A source that is read three rows at a time, and remembers which."""

    def __init__(self, X, y):
        super().__init__("test", X, y, "in memory")
        self.was_read = []

    def windows(self, rows_at_once=3):
        return super().windows(min(rows_at_once, 3))

    def read(self, start, stop, out=None):
        self.was_read += range(start, stop)
        return super().read(start, stop, out)


def random_data(rows, features, rank=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, features))
    if rank is not None:
        X = X[:, :rank] @ rng.standard_normal((rank, features))
    return X, rng.standard_normal(rows)


def problem(X, y=None, ridge=0.0):
    return Problem(Windowed(X, np.zeros(len(X)) if y is None else y), LEAST_SQUARES, ridge)


def differences(loss, beta, step=1e-4):
    """Central differences: exact for a quadratic but for rounding."""
    return np.array(
        [(loss(beta + unit) - loss(beta - unit)) / (2 * step) for unit in step * np.eye(len(beta))]
    )


# Least squares


@pytest.mark.parametrize(("rows", "features"), [(1, 1), (3, 7), (20, 4)])
def test_gradient_of_least_squares(rows, features):
    X, y = random_data(rows, features)
    beta = np.random.default_rng(1).standard_normal(features)
    objective = LEAST_SQUARES
    gradient = objective.gradient(X, y, beta, None)
    np.testing.assert_allclose(gradient, X.T @ X @ beta - X.T @ y, rtol=1e-11, atol=1e-12)
    numerical = differences(lambda b: objective.loss(X, y, b), beta)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(objective.gradient(X, None, beta, None), X.T @ X @ beta, atol=1e-12)
    assert objective.loss(X, y, beta) == pytest.approx(np.sum((y - X @ beta) ** 2) / 2)


def test_rows_of_zeros_contribute_nothing():
    X, y = random_data(5, 3)
    beta = np.ones(3)
    objective = LEAST_SQUARES
    padded, labels = np.vstack([X, np.zeros((4, 3))]), np.concatenate([y, np.zeros(4)])
    for some in (y, labels), (None, None):
        np.testing.assert_allclose(
            objective.gradient(padded, some[1], beta, None),
            objective.gradient(X, some[0], beta, None),
        )
    assert objective.loss(padded, labels, beta) == pytest.approx(objective.loss(X, y, beta))
    assert not objective.gradient(np.zeros((2, 3)), np.zeros(2), beta, None).any()


def test_gradient_writes_to_none_of_its_arguments():
    X, y = random_data(5, 3)
    beta = np.ones(3)
    for array in (X, y, beta):
        array.flags.writeable = False
    LEAST_SQUARES.gradient(X, y, beta, None)
    LEAST_SQUARES.gradient(X, None, beta, None)
    LEAST_SQUARES.loss(X, y, beta)


# Problem


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("rows", [1, 3, 10])
def test_gradient_and_loss_of_a_problem(ridge, rows):
    X, y = random_data(rows, 4)
    beta = np.random.default_rng(1).standard_normal(4)
    beta.flags.writeable = False
    whole = problem(X, y, ridge)
    expected = X.T @ (X @ beta - y) + ridge * beta
    np.testing.assert_allclose(whole.gradient(beta), expected, rtol=1e-11, atol=1e-12)
    assert whole.source.was_read == list(range(rows))
    loss = np.sum((X @ beta - y) ** 2) / 2 + ridge / 2 * np.sum(beta**2)
    assert whole.loss(beta) == pytest.approx(loss)
    numerical = differences(whole.loss, beta)
    np.testing.assert_allclose(whole.gradient(beta), numerical, rtol=1e-6, atol=1e-7)


CURVATURES = {
    **{f"l={features}": random_data(20, features)[0] for features in (1, 2, 3, 4, 30, 100)},
    "wide": random_data(5, 40)[0],
    "one row": random_data(1, 10)[0],
    "rank 1": random_data(20, 12, rank=1)[0],
    "rank 2 of 3": random_data(20, 3, rank=2)[0],
    "rank 5": random_data(20, 12, rank=5)[0],
    "all ones": np.ones((9, 6)),
    "identity": np.eye(25),
    "one entry": np.eye(25)[:1],
    "close eigenvalues": np.diag(1 - 1e-5 * np.arange(30)),
    "badly scaled": random_data(20, 12)[0] * 10.0 ** np.arange(-6, 6),
    "large": 1e12 * random_data(20, 12)[0],
    "small": 1e-12 * random_data(20, 12)[0],
}


@pytest.mark.parametrize("ridge", [0.0, 2.0])
@pytest.mark.parametrize("name", CURVATURES)
def test_curvature_is_the_largest_eigenvalue_from_above(name, ridge):
    X = CURVATURES[name]
    largest = np.linalg.eigvalsh(X.T @ X)[-1]
    whole = problem(X, ridge=ridge)
    assert largest <= whole.largest_eigenvalue() <= 1.003 * largest
    assert largest + ridge <= whole.lipschitz() <= 1.003 * (largest + ridge)


@pytest.mark.parametrize("name", CURVATURES)
def test_curvature_of_much_data_takes_one_pass(name, monkeypatch):
    monkeypatch.setattr("coded_dgd.problems.problem.GRAM_BYTES", 0)
    X = CURVATURES[name]
    largest = np.linalg.eigvalsh(X.T @ X)[-1]
    whole = problem(X)
    assert largest <= whole.largest_eigenvalue() <= 1.003 * largest
    assert whole.source.was_read == list(range(len(X)))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_curvature_of_random_data(rows, features, seed):
    X = random_data(rows, features, seed=seed)[0]
    largest = np.linalg.eigvalsh(X.T @ X)[-1]
    assert largest <= problem(X).lipschitz() <= 1.003 * largest


@pytest.mark.parametrize("features", [1, 2, 3, 20])
@pytest.mark.parametrize("ridge", [0.0, 2.0])
def test_curvature_of_nothing_is_the_ridge(features, ridge):
    assert problem(np.zeros((4, features)), ridge=ridge).lipschitz() == ridge


@pytest.mark.parametrize(
    ("rows", "features", "rank"),
    [(30, 5, None), (5, 5, None), (30, 1, None), (3, 8, None), (30, 6, 2), (2, 6, 1), (1, 1, None)],
)
@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_optimum_is_the_least_squares_solution_of_minimum_norm(rows, features, rank, ridge):
    X, y = random_data(rows, features, rank)
    stacked = np.vstack([X, np.sqrt(ridge) * np.eye(features)])
    labels = np.concatenate([y, np.zeros(features)])
    expected = np.linalg.lstsq(stacked, labels, rcond=1e-12)[0]
    whole = problem(X, y, ridge)
    optimum = whole.optimum()
    np.testing.assert_allclose(optimum, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(whole.gradient(optimum), 0, atol=1e-9)


def test_optimum_of_equal_columns_shares_the_weight():
    X, y = random_data(2000, 1)
    optimum = problem(np.repeat(X, 4, axis=1), y).optimum()
    np.testing.assert_allclose(optimum, np.full(4, (X[:, 0] @ y) / np.sum(X**2) / 4), rtol=1e-9)


@pytest.mark.parametrize("features", [2 * 10**4, 10**6])
def test_optimum_that_would_take_too_long_is_none(features):
    source = ArraySource("large", np.broadcast_to(1.0, (6, features)), np.ones(6), "not in memory")
    assert Problem(source, LEAST_SQUARES).optimum() is None


@pytest.mark.usefixtures("one_blas_thread")
def test_optimum_of_many_features_and_few_rows_takes_a_moment():
    dice = np.random.default_rng(0)
    X, y = dice.standard_normal((60, 2000)), dice.standard_normal(60)
    begin = time.process_time()
    found = Problem(ArraySource("wide", X, y, "in memory"), LEAST_SQUARES).optimum()
    assert time.process_time() - begin < 5
    np.testing.assert_allclose(X @ found, y, atol=1e-9)


# Partition


@given(
    st.integers(1, 60), st.integers(1, 80), st.integers(1, 4), st.integers(1, 3000), st.booleans()
)
def test_windows_hold_every_row_once_and_zeros_elsewhere(rows, blocks, features, size, reused):
    X = 1.0 + np.arange(rows * features).reshape(rows, features)
    y = 1.0 + np.arange(rows)
    source = Windowed(X, y)
    partition = Partition(rows, blocks)
    height = -(-rows // blocks)
    whole, labels = np.full((blocks, height, features), np.nan), np.full((blocks, height), np.nan)
    end = 0
    memory = ReusedMemory(blocks, features) if reused else None
    first = None
    for start, some, some_labels in partition.windows(source, size, memory=memory):
        assert start == end
        first = some if first is None else first
        assert np.shares_memory(some, first) == (reused or some is first)
        end = start + some.shape[1]
        assert some.shape == (blocks, end - start, features)
        assert some_labels.shape == (blocks, end - start)
        assert end - start == 1 or 8 * some_labels.size * (features + 1) <= size
        whole[:, start:end], labels[:, start:end] = some, some_labels
    assert end == height == partition.height
    assert sorted(source.was_read) == list(range(rows))
    bounds = [partition.bounds(block) for block in range(blocks)]
    assert bounds[0][0] == 0 and bounds[-1][1] == rows
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    sizes = {last - first for first, last in bounds}
    assert max(sizes) - min(sizes) <= 1
    for block, (first, last) in enumerate(bounds):
        np.testing.assert_array_equal(whole[block, : last - first], X[first:last])
        np.testing.assert_array_equal(labels[block, : last - first], y[first:last])
        assert not whole[block, last - first :].any()
        assert not labels[block, last - first :].any()


def test_blocks_may_outnumber_rows():
    windows = list(Partition(2, 5).windows(Windowed(np.ones((2, 3)), np.ones(2))))
    assert [window.X.shape for window in windows] == [(5, 1, 3)]
    assert windows[0].y.sum() == 2


# Optimizers


def ill_conditioned(beta):
    """Gradient of a quadratic with curvatures from 1 down to 1/1000 and optimum at ones."""
    return np.geomspace(1e-3, 1, 10) * (beta - 1)


def started(name, schedule):
    return optimizers.find(name)(np.zeros(10), schedule)


def quadratic():
    """The problem whose gradient is `ill_conditioned`."""
    curvatures = np.geomspace(1e-3, 1, 10)
    return problem(np.diag(np.sqrt(curvatures)), np.sqrt(curvatures))


def run(optimizer, whole, steps):
    for _ in range(steps):
        optimizers.iterate(optimizer, whole)
    return optimizer.beta


def test_gradient_descent_equals_the_formula():
    descent = GradientDescent(np.zeros(10), lambda _: 0.5)
    beta = np.zeros(10)
    for _ in range(20):
        np.testing.assert_array_equal(descent.beta, beta)
        np.testing.assert_array_equal(descent.point, beta)
        descent.update(ill_conditioned(descent.point))
        beta = beta - 0.5 * ill_conditioned(beta)


def test_nesterov_by_hand():
    accelerated = Nesterov(np.zeros(1), lambda _: 0.5)
    reference = [(0.5, 0.625), (0.8125, 0.9375), (0.96875, 1.046875)]  # beta_t, point_t
    for beta, point in reference:
        accelerated.update(accelerated.point - 1.0)
        assert (accelerated.beta[0], accelerated.point[0]) == (beta, point)


def test_nesterov_is_faster_where_the_curvatures_differ():
    left = {
        name: np.linalg.norm(run(started(name, lambda _: 1.0), quadratic(), 150) - 1)
        for name in ("gd", "nesterov")
    }
    assert left["nesterov"] < 0.2 * left["gd"]


@pytest.mark.parametrize("name", optimizers.names())
def test_arrays_are_replaced_and_never_written(name):
    optimizer = started(name, lambda _: 0.5)
    kept = []
    for _ in range(12):
        gradient, loss = optimizers.answer(optimizer, quadratic())
        for array in (optimizer.beta, optimizer.point, gradient):
            array.flags.writeable = False
            kept.append((array, array.copy()))
        optimizer.update(gradient, loss)
    for array, before in kept:
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("name", optimizers.names())
def test_optimizers_start_at_zero_and_reach_the_optimum(name):
    X, y = random_data(60, 10)
    whole = problem(X, y)
    step = 0.05 if name == "adam" else 1 / whole.lipschitz()
    optimizer = started(name, lambda _: step)
    assert not optimizer.beta.any() and not optimizer.point.any()
    np.testing.assert_allclose(run(optimizer, whole, 400), whole.optimum(), rtol=1e-6)


@pytest.mark.parametrize("name", ["least-squares", "logistic"])
@pytest.mark.parametrize("rows", [1, 4, 7, 23])
def test_the_gradient_in_pieces_is_the_gradient(monkeypatch, name, rows):
    dice = np.random.default_rng(3)
    X, beta = dice.standard_normal((23, 5)), dice.standard_normal(5)
    y, weights = np.sign(dice.standard_normal(23)), dice.standard_normal(23)
    objective = objectives.create(name)
    for labels, factors in ((y, weights), (None, None), (y, None)):
        whole = objective.gradient(X, labels, beta, factors)
        with monkeypatch.context() as patch:
            patch.setattr(base, "SMALL_BYTES", 0)
            patch.setattr(base, "ROWS_OF_KERNEL", 1)
            patch.setattr(base, "CACHE_BYTES", rows * 8 * 5)
            assert base.rows_at_once(*X.shape) == rows
            np.testing.assert_allclose(
                objective.gradient(X, labels, beta, factors), whole, rtol=1e-12, atol=1e-13
            )


def test_only_large_data_of_not_too_many_features_go_in_pieces():
    assert base.rows_at_once(1000, 100) == 1000
    assert base.rows_at_once(1_000_000, 100) * 100 * 8 <= base.CACHE_BYTES
    assert base.rows_at_once(1000, 1_000_000) == 1000
    assert base.rows_at_once(100_000, 1000) == 64  # 65 fit, but BLAS takes 4 at once
    assert base.rows_at_once(100_000, 16_384) == 4
    assert base.rows_at_once(100_000, 16_385) == 100_000
