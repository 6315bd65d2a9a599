"""Sample weights: a weight of 3 is the same as the row three times, on workers and on rank 0."""

import numpy as np
import pytest
from training import NAMES, TITLES, Biased, begin, data, decoded, made, points

from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.objectives import Objective
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.in_memory import open_arrays

LINEAR = [name for name in objectives.names() if name != "least-squares"]


def weighted(title, sparse=False):
    X, y = data(title)
    if sparse:
        from scipy.sparse import csr_array

        X = np.where(np.abs(X) > 1.5, X, 0.0)
        source = open_arrays(csr_array(X), y)
    else:
        source = ArraySource("data", X, y, "in memory")
    source.weights = np.random.default_rng(5).integers(0, 4, len(y)).astype(float)
    return source


def repeated(source):
    X, y = source.read(0, source.rows)
    times = source.weights.astype(int)
    return ArraySource("data", np.repeat(X, times, axis=0), np.repeat(y, times), "in memory")


def hold(trainer, title, source, tolerance=1e-12):
    copies = begin("uncoded", title, repeated(source)).problem
    [point] = points(trainer.problem)
    [(gradient, loss)] = decoded(trainer, [point])
    for exact in (copies.gradient(point), trainer.problem.gradient(point)):
        np.testing.assert_allclose(gradient, exact, rtol=0, atol=tolerance * np.abs(exact).max())
    assert loss == pytest.approx(copies.loss(point), rel=tolerance)
    assert trainer.problem.loss(point) == pytest.approx(copies.loss(point), rel=1e-12)


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", NAMES)
def test_weights_are_the_same_as_repeated_rows(name, title):
    source = weighted(title)
    hold(begin(name, title, source), title, source)


@pytest.mark.parametrize("title", LINEAR)
@pytest.mark.parametrize("name", ["uc-mmc", "gc"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_sparse_rows_have_weights_too(name, title, dtype, tolerance):
    source = weighted(title, sparse=True)
    trainer = begin(name, title, source, dtype=dtype, kernel="sparse")
    hold(trainer, title, source, tolerance)


@pytest.mark.parametrize("formed", [False, True])
@pytest.mark.parametrize("title", LINEAR)
def test_curvature_and_scores_count_weights(title, formed, monkeypatch):
    if formed:
        monkeypatch.setattr("coded_dgd.problems.problem.GRAM_BYTES", 0)
    source = weighted(title)
    problem, copies = (begin("uc-mmc", title, each).problem for each in (source, repeated(source)))
    [point] = points(problem)
    assert problem.scores(point) == pytest.approx(copies.scores(point))
    assert problem.largest_eigenvalue() == pytest.approx(copies.largest_eigenvalue(), rel=1e-6)
    np.testing.assert_allclose(problem.column_norms(), copies.column_norms())


def test_least_squares_of_any_source_is_weighted():
    """Without the sources that fold weights into the rows."""
    source = weighted("least-squares")
    trainer = begin("uc-mmc", "least-squares", source)
    trainer.start()
    record = trainer.step()
    assert record.loss == pytest.approx(Problem(repeated(source), made("least-squares")).loss(
        np.zeros(trainer.problem.parameters)
    ))  # fmt: skip


def test_coded_schemes_refuse_what_they_cannot_weigh():
    class Twice(Objective):
        degree = 2

        def gradient(self, X, y, beta, weights):
            residual = X @ beta - (0 if y is None else y)
            return 2 * X.T @ (residual if weights is None else weights * residual)

        def loss(self, X, y, beta, weights=None):
            squares = (X @ beta - y) ** 2
            return float(squares.sum() if weights is None else weights @ squares)

    words = "sample weights for --objective least-squares alone: use uc-mmc"
    with pytest.raises(Infeasible, match=words):
        begin("lcc-mmc", Twice(), weighted("least-squares"))


def without(method):
    def loss(self, X, y, beta):
        return Biased.loss(self, X, y, beta)

    def ignoring(self, X, y, beta, weights=None):
        return Biased.loss(self, X, y, beta)

    def gradient(self, X, y, beta, weights):
        return Biased.gradient(self, X, y, beta, None)

    def scores(self, X, y, beta):
        return {"rows": float(len(X))}

    methods = {
        "loss": {"loss": loss},
        "ignoring": {"loss": ignoring},
        "gradient": {"gradient": gradient},
        "scores": {"scores": scores},
    }
    return type("Mine", (Biased,), methods[method])()


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("loss", "its loss takes no weights, which sample weights need: add a parameter weights"),
        ("ignoring", "its loss ignores its weights"),
        ("gradient", "its gradient ignores its weights"),
        ("scores", "its scores takes no weights"),
    ],
)
def test_objectives_without_weights_are_refused_only_with_sample_weights(method, words):
    source = weighted("biased")
    with pytest.raises(UsageError, match=words):
        begin("uc-mmc", without(method), source)
    source.weights = None
    begin("uc-mmc", without(method), source)
