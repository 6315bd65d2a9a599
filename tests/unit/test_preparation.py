"""Columns are scaled, an intercept is added, and the optimum is that of the data themselves."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import scipy.sparse as sp

from coded_dgd.errors import UsageError
from coded_dgd.problems import preparation
from coded_dgd.problems.objectives import Objective, create
from coded_dgd.problems.preparation import Preparation, PreparedSource, prepare
from coded_dgd.problems.preparation.moments import column_moments
from coded_dgd.problems.preparation.scaling import Scaling
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.in_memory import open_arrays
from coded_dgd.problems.sources.sparse import SparseSource

RNG = np.random.default_rng(3)
ROWS, FEATURES = 83, 5
X = RNG.standard_normal((ROWS, FEATURES)) * [1, 2, 0.1, 30, 1] + [1e3, -5, 0, 1e4, 2]
Y = X @ [1.0, -2.0, 3.0, 0.01, 0.5] + 7 + RNG.standard_normal(ROWS)
SIGNS = np.sign(Y - Y.mean())
SPARSE = np.where(RNG.random((ROWS, FEATURES)) < 0.4, RNG.standard_normal((ROWS, FEATURES)), 0)
WEIGHTS = RNG.integers(0, 4, ROWS).astype(float)
WAYS = [(False, False), (False, True), (True, False), (True, True)]


class Short(ArraySource):
    """A source whose windows have seven rows."""

    def windows(self, rows_at_once=None):
        return super().windows(7)


def source(X=X, y=Y, weights=None, kind=Short):
    made = kind("data", X, y, "in memory")
    made.weights = weights
    return made


def sparse(weights=None, X=SPARSE):
    rows = sp.csr_array(X)
    made = SparseSource("data", Y, rows.indptr, rows.indices, rows.data, X.shape[1])
    made.weights = weights
    return made


def closed_form(X, y, ridge, intercept, weights=None):
    """Coefficients and intercept of ridge regression whose intercept has no ridge."""
    w = np.ones(len(y)) if weights is None else weights
    mean, level = (w @ X / w.sum(), w @ y / w.sum()) if intercept else (0.0, 0.0)
    Z, z = X - mean, y - level
    rows = np.vstack([np.sqrt(w)[:, None] * Z, np.diag(np.sqrt(ridge))])
    coef = np.linalg.lstsq(rows, np.append(np.sqrt(w) * z, np.zeros(len(ridge))), rcond=None)[0]
    return coef, level - coef @ mean if intercept else 0.0


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("shift", [0, 1e6])
def test_moments_of_dense_rows_are_those_of_repeated_rows(weights, shift):
    mean, deviation = column_moments(source(X + shift, weights=weights))
    rows = X + shift if weights is None else np.repeat(X + shift, weights.astype(int), axis=0)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(deviation, rows.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_moments_of_sparse_rows_are_those_of_dense_ones(weights):
    for mine, theirs in zip(
        column_moments(sparse(weights)), column_moments(source(SPARSE, weights=weights)),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)


def test_a_constant_column_has_no_deviation_whatever_its_size():
    constant = np.column_stack([np.full(ROWS, 0.1), np.full(ROWS, 1e9 / 3), np.zeros(ROWS), X])
    assert column_moments(source(constant))[1][:3].tolist() == [0, 0, 0]
    scaling = Scaling.of(source(constant), intercept=False, standardize=True)
    assert scaling.scales[:3] == (1, 1, 1)


@pytest.mark.parametrize("seed", range(9))
def test_a_constant_column_of_sparse_rows_has_no_deviation_whatever_the_weights(seed):
    weights = np.random.default_rng(seed).choice([0, 0.1, 0.7, 3.3], ROWS)
    constant = np.column_stack([np.full(ROWS, 3.7), np.where(weights > 0, 3.7, 0.0), SPARSE])
    assert column_moments(sparse(weights, constant))[1][:2].tolist() == [0, 0]


@pytest.mark.parametrize(("intercept", "standardize"), WAYS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_the_optimum_is_that_of_the_closed_form(intercept, standardize, weights, ridge):
    prepared = prepare(source(weights=weights), create("least-squares"), intercept, standardize)
    problem = Problem(prepared, create("least-squares"), ridge)
    scaling = prepared.preparation.scaling if isinstance(prepared, PreparedSource) else None
    optimum = problem.optimum()
    found = scaling.restored(optimum, 1) if scaling else optimum
    squares = np.full(FEATURES, ridge)
    if standardize:
        squares = ridge * np.square(column_moments(source(weights=weights))[1])
    coef, level = closed_form(X, Y, squares, intercept, weights)
    np.testing.assert_allclose(found[:FEATURES], coef, rtol=1e-9)
    if intercept:
        np.testing.assert_allclose(found[FEATURES], level, rtol=1e-9)
    assert len(found) == FEATURES + intercept


def test_the_ridge_leaves_the_intercept_of_each_output_out():
    class Two(type(create("logistic"))):
        outputs = 2
        encode_labels = Objective.encode_labels
        check_labels = Objective.check_labels

    prepared = prepare(source(), Two(), intercept=True)
    problem = Problem(prepared, Two(), 2.0)
    assert problem.ridge.tolist() == 2 * ([2.0] * FEATURES + [0.0])
    assert Problem(source(), create("least-squares"), 2.0).ridge == 2.0


@pytest.mark.parametrize(("intercept", "standardize"), WAYS[1:])
@pytest.mark.parametrize("weighted", [False, True])
def test_windows_reads_and_entries_agree(intercept, standardize, weighted):
    weights = WEIGHTS if weighted else None
    prepared = prepare(sparse(weights), create("least-squares"), intercept, standardize)
    whole, labels = prepared.read(0, ROWS)
    assert whole.shape == (ROWS, prepared.features) and whole.flags.owndata
    assert prepared.weights is None
    for window in (1, 9):
        parts = list(prepared.windows(window))
        np.testing.assert_array_equal(np.vstack([part for part, _ in parts]), whole)
        np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), labels)
    starts, columns, values, y = prepared.entries()
    rows = sp.csr_array((values, columns, starts), shape=whole.shape)
    assert rows.has_canonical_format
    np.testing.assert_array_equal(rows.toarray(), whole)
    np.testing.assert_array_equal(y, labels)
    assert prepared.density == pytest.approx(np.diff(starts).sum() / whole.size)
    if intercept:
        assert prepared.feature_title(FEATURES) == "the intercept"
    assert prepared.feature_title(0) == "column 1"


def test_sparse_columns_are_scaled_but_not_centred():
    scaling = Scaling.of(sparse(), intercept=True, standardize=True)
    assert scaling.means is None
    np.testing.assert_allclose(scaling.scales, SPARSE.std(axis=0), rtol=1e-13)


def test_the_data_stay_as_they_are():
    before = X.copy(), Y.copy()
    prepared = prepare(source(weights=WEIGHTS), create("least-squares"), True, True)
    list(prepared.windows())
    for array, copy in zip((X, Y), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_preparation_travels_as_json_without_loss():
    prepared = prepare(source(y=SIGNS), create("logistic"), True, True)
    travelled = json.loads(json.dumps(asdict(prepared.preparation)))
    copy = Preparation.from_json(travelled).applied(source(y=SIGNS))
    for mine, theirs in zip(copy.read(0, ROWS), prepared.read(0, ROWS), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_data_are_prepared_once():
    prepared = prepare(source(), create("least-squares"), True, True)
    assert prepare(prepared, create("least-squares"), True, True) is prepared
    plain = source()
    assert prepare(plain, create("least-squares")) is plain


def test_an_intercept_is_for_losses_of_the_margins():
    class Own(Objective):
        def gradient(self, X, y, beta, weights):
            return beta

        def loss(self, X, y, beta, weights=None):
            return 0.0

    with pytest.raises(UsageError, match=r"--intercept .* objective Own is none: .* bias"):
        prepare(source(), Own(), intercept=True)
    assert prepare(source(), Own(), standardize=True).features == FEATURES


def test_scores_of_weighted_rows_are_refused():
    class Scored(type(create("least-squares"))):
        def scores(self, X, y, beta):
            return {"mean": float((X @ beta).sum())}

    assert prepare(source(), Scored(), standardize=True).features == FEATURES
    with pytest.raises(UsageError, match="objective Scored is least squares with scores"):
        prepare(source(weights=WEIGHTS), Scored())


def test_an_intercept_of_classifiers_gets_no_ridge():
    problem = Problem(prepare(source(y=SIGNS), create("logistic"), True), create("logistic"), 5.0)
    beta = RNG.standard_normal(FEATURES + 1)
    step = 1e-6 * np.eye(FEATURES + 1)
    slopes = [(problem.loss(beta + s) - problem.loss(beta - s)) / 2e-6 for s in step]
    np.testing.assert_allclose(problem.gradient(beta), slopes, rtol=1e-5, atol=1e-4)
    without = Problem(problem.source, create("logistic"), 0.0)
    assert problem.gradient(beta)[-1] == without.gradient(beta)[-1]


def test_a_window_without_weight_changes_no_moments():
    weights = np.zeros(ROWS)
    weights[20:] = 1.0
    mean, deviation = column_moments(source(weights=weights))
    np.testing.assert_allclose(mean, X[20:].mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(deviation, X[20:].std(axis=0), rtol=1e-9)


def test_arrays_are_the_same_data_whatever_holds_them():
    frame = open_arrays(np.asfortranarray(X), Y)
    mine, theirs = (
        prepare(each, create("least-squares"), True, True) for each in (frame, source())
    )
    np.testing.assert_allclose(mine.read(0, 9)[0], theirs.read(0, 9)[0], rtol=1e-12)
    assert preparation.preparation_of(frame) == (frame, Preparation())
