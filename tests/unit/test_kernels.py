"""How workers compute: the same gradients whichever way, and the way that the cost model takes."""

import re
import subprocess
import sys
from math import inf
from time import perf_counter

import numpy as np
import pytest

from coded_dgd import registry, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.engine import job, kernels
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import UsageError
from coded_dgd.problems import objectives
from coded_dgd.problems.blocks import GradientBlocks, GramBlocks, gram_forms, row_forms, zeros
from coded_dgd.problems.objectives import LinearModel
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources import open_source
from coded_dgd.problems.sparse import (
    SparseBlocks,
    SparseRows,
    entries_of_blocks,
    sparse_forms,
    windows,
)
from coded_dgd.problems.task_rows import TaskRows
from coded_dgd.schemes.base import ReplicationScheme, Scheme

NAMES = [*schemes.names(), "lcc-mmc-2"]
WORKERS = 6


def kind(name):
    return registry.find(schemes, re.sub(r"-\d+$", "", name), Scheme, "scheme")


COPIES = [name for name in NAMES if issubclass(kind(name), ReplicationScheme)]


def dense(blocks, height, features, objective, labels=True, dtype="float64", rows=None):
    """Blocks of dense rows that are not loaded yet."""
    arrays = zeros(row_forms(blocks, height, features, (height,) if labels else None, dtype))
    return GradientBlocks(arrays, objective, rows)


def sparse(entries, features, objective, rows, dtype="float64"):
    """Blocks of sparse rows that are not loaded yet."""
    arrays = zeros(sparse_forms(entries, rows.height, (rows.height,), dtype))
    return SparseBlocks(arrays, entries, features, objective, rows)


def run(name, **options):
    options = {"iterations": 8, "check_gradient": True} | options
    config = RunConfig(scheme=name, workers=WORKERS, transport="simulated", **options)
    return job.run(prepare(config, None), SimulatedTransport(WORKERS))


def kernel(outcome):
    return outcome.stages[-1].master.group.kernel


@pytest.fixture
def sparse_file(tmp_path):
    """61 rows of 40 features: rows without an entry, a column without, labels of both signs."""
    rng = np.random.default_rng(5)
    lines = []
    for row in range(61):
        columns = np.flatnonzero(rng.random(39) < 0.08) + 1 if row % 7 else []
        entries = [f"{column}:{rng.standard_normal():.6g}" for column in columns]
        lines.append(
            " ".join([f"{rng.choice([-1, 1])}", *entries, *(["40:1"] if row == 3 else [])])
        )
    path = tmp_path / "data.svm"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


# Gram matrices


@pytest.mark.parametrize("name", [name for name in NAMES if name != "mds-mmc"])
def test_gram_matrices_take_the_same_steps(name):
    data = "synthetic:rows=601,features=8"
    plain, gram = (run(name, kernel=way, data=data) for way in ("products", "gram"))
    assert (kernel(plain), kernel(gram)) == ("products", "gram")
    np.testing.assert_allclose(gram.beta, plain.beta, rtol=1e-9)
    assert [each.messages_used for each in gram.log] == [each.messages_used for each in plain.log]


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks_are_formed_piece_by_piece(labels, dtype):
    rng = np.random.default_rng(3)
    X, y, beta = rng.standard_normal((3, 50, 7)), rng.standard_normal((3, 50)), np.ones(7)
    X, y, beta = (each.astype(dtype) for each in (X, y, beta))
    gram = GramBlocks(zeros(gram_forms(3, 7, labels, dtype)))
    rows = dense(3, 50, 7, LeastSquares(), labels, dtype)
    for start, stop in ((0, 20), (20, 21), (21, 50)):
        for blocks in (gram, rows):
            blocks.load(start, X[:, start:stop], y[:, start:stop] if labels else None)
    for factors in (None, np.array([1, -2, 0.5], dtype)):
        for first, last in ((0, 3), (1, 2), (1, 3)):
            own = None if factors is None else factors[first:last]
            found = gram.result(first, last, beta, own)
            assert found.dtype == dtype
            expected = rows.result(first, last, beta, own)
            np.testing.assert_allclose(
                found, expected, atol=300 * np.finfo(dtype).eps * np.abs(expected).max()
            )


def test_without_labels_a_task_is_a_product():
    rng = np.random.default_rng(3)
    X, y, beta = rng.standard_normal((3, 50, 7)), rng.standard_normal((3, 50)), np.ones(7)
    starts = np.arange(0, 3 * 50 * 7 + 1, 7)
    sparse_rows = SparseRows(starts, np.tile(np.arange(7, dtype=np.int32), 150), X.ravel(), 3, 7)
    kinds = {
        dense(3, 50, 7, LeastSquares()): X,
        GramBlocks(zeros(gram_forms(3, 7, True, "float64"))): X,
        sparse([350] * 3, 7, LeastSquares(), TaskRows(50)): sparse_rows,
    }
    stacked, factors = X[1:].reshape(-1, 7), np.array([2.0, -1.0])
    for blocks, rows in kinds.items():
        blocks.load(0, rows, y)
        found = blocks.result(1, 3, beta, factors, labels=False)
        expected = stacked.T @ (np.repeat(factors, 50) * (stacked @ beta))
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        with_labels = blocks.result(1, 3, beta, factors)
        assert not np.allclose(with_labels, expected)


def best(function, repeats=5):
    """Shortest time of several."""
    times = []
    for _ in range(repeats):
        begin = perf_counter()
        function()
        times.append(perf_counter() - begin)
    return min(times)


def test_the_cost_model_is_right_far_from_break_even():
    height, features = 12_000, 120
    rng = np.random.default_rng(0)
    X, beta = rng.standard_normal((1, height, features)), np.ones(features)
    rows = dense(1, height, features, LeastSquares(), labels=False)
    rows.load(0, X, None)
    gram = GramBlocks(zeros(gram_forms(1, features, False, "float64")))
    forming = best(lambda: gram.load(0, X, None))
    products = best(lambda: rows.result(0, 1, beta, None))
    formed = best(lambda: gram.result(0, 1, beta, None))
    predicted = kernels.break_even(height, features)
    assert 2 < predicted < 10
    often, seldom = 30 * predicted, 1
    assert forming + often * formed < often * products
    assert forming + seldom * formed > seldom * products


@pytest.mark.parametrize(
    ("rows", "features", "iterations", "expected"),
    [
        (100_000, 50, 100, "gram"),
        (100_000, 50, 1, "products"),  # forming takes longer than it saves
        (2400, 500, 10**6, "products"),  # a Gram matrix takes more memory than the rows
        (600, 50, 10**6, "products"),  # nothing to gain where calls take longer than computing
    ],
)
def test_auto_weighs_the_run(rows, features, iterations, expected):
    source = open_source(f"synthetic:rows={rows},features={features}", 0)
    scheme = schemes.create("lcc-mmc", WORKERS, None, 3)
    config = RunConfig(iterations=iterations)
    found = kernels.choose(config, LeastSquares(), source, scheme)
    assert found == expected
    logistic = objectives.create("logistic")
    uncoded = schemes.create("uncoded", WORKERS, None, None)
    assert kernels.choose(config, logistic, source, uncoded) == "products"
    mds = schemes.create("mds-mmc", WORKERS, None, 3)
    assert kernels.choose(config, LeastSquares(), source, mds) == "products"


def test_a_gram_matrix_that_saves_nothing_never_pays():
    assert kernels.break_even(100, 1000) == inf


# Sparse rows


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("objective", ["least-squares", "logistic"])
def test_sparse_rows_take_the_same_steps(sparse_file, name, objective):
    options = {"data": sparse_file, "objective": objective}
    dense, sparse = run(name, kernel="products", **options), run(name, **options)
    assert (kernel(dense), kernel(sparse)) == ("products", "sparse")
    np.testing.assert_allclose(sparse.beta, dense.beta, rtol=1e-10, atol=1e-14)
    assert len({each.gradient_error for each in sparse.log} & {None}) == 0


class ThreeOutputs(LinearModel):
    """log cosh of three margins minus the label, of which it only defines the sum over rows."""

    outputs = 3

    def slope(self, z, y):
        return np.tanh(z if y is None else z - y[:, None])

    def loss(self, X, y, beta, weights=None):
        losses = np.log(np.cosh(self.margins(X, beta) - y[:, None])).sum(axis=1)
        return float(losses.sum() if weights is None else weights @ losses)


@pytest.mark.parametrize(("dtype", "precise"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("factors", [None, [1.0, -2.0, 0.5]])
def test_sparse_rows_of_a_model_with_several_outputs(sparse_file, dtype, precise, factors):
    source, model, rows = open_source(sparse_file, 0), ThreeOutputs(), TaskRows(21, (20, 20, 21))
    partition, entries = Partition(source.rows, 3), source.entries()
    counts = entries_of_blocks(partition, entries[0])
    compressed = sparse(counts, source.features, model, rows, dtype)
    full = dense(3, 21, source.features, model, dtype=dtype, rows=rows)
    for start, X, y in windows(partition, entries, source.features, 2000):
        compressed.load(start, X.astype(dtype), y.astype(dtype))
    for start, X, y in partition.windows(source, 2000):
        full.load(start, X.astype(dtype), y.astype(dtype))
    beta = np.random.default_rng(2).standard_normal(3 * source.features).astype(dtype)
    for first, last in ((0, 3), (1, 2)):
        own = None if factors is None else np.array(factors[first:last], dtype)
        found, expected = (each.result(first, last, beta, own) for each in (compressed, full))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=precise * np.abs(expected).max())
        losses = [each.loss(first, last, beta, own) for each in (compressed, full)]
        assert losses[0] == pytest.approx(losses[1], rel=10 * precise)


def test_sparse_rows_in_single_precision(sparse_file):
    outcome = run("uc-mmc", data=sparse_file, dtype="float32")
    assert kernel(outcome) == "sparse"
    assert 0 < max(each.gradient_error for each in outcome.log) < 1e-5


@pytest.mark.parametrize("blocks", [1, 5, 61, 70])
@pytest.mark.parametrize("size", [1, 3000, 10**9])
def test_windows_hand_out_each_row_once(sparse_file, blocks, size):
    source = open_source(sparse_file, 0)
    partition = Partition(source.rows, blocks)
    X, y = np.zeros((2, blocks, partition.height, 40)), np.zeros((blocks, partition.height))
    X = X[0]
    for start, rows, labels in windows(partition, source.entries(), source.features, size):
        stop = start + rows.height
        for number, (first, last) in enumerate(zip(rows.starts, rows.starts[1:], strict=False)):
            block, row = divmod(number, rows.height)
            X[block, start + row, rows.columns[first:last]] += rows.values[first:last]
        y[:, start:stop] += labels
    (dense,) = partition.windows(source, 10**9)
    np.testing.assert_array_equal(X, dense.X)
    np.testing.assert_array_equal(y, dense.y)


def test_what_the_master_keeps_of_sparse_rows_is_what_it_keeps_of_dense_ones(sparse_file):
    for blocks in (5, 61):
        source = open_source(sparse_file, 0)
        partition = Partition(source.rows, blocks)
        (window,) = windows(partition, source.entries(), source.features, 10**9)
        (dense,) = partition.windows(source, 10**9)
        norms = np.einsum("nkl,nkl->n", dense.X, dense.X)
        np.testing.assert_allclose(window.X.squared_norms(), norms, rtol=1e-14)
        product = np.einsum("nk,nkl->l", dense.y, dense.X)
        np.testing.assert_allclose(window.X.transposed_product(window.y), product, atol=1e-13)


def test_coded_blocks_are_dense(sparse_file):
    assert kernel(run("lcc-mmc", data=sparse_file)) == "products"


def test_dense_numbers_in_a_sparse_file_are_computed_with_as_such(tmp_path):
    path = tmp_path / "dense.svm"
    path.write_text("".join(f"{row % 3} 1:{row} 2:{row % 5 + 1}\n" for row in range(1, 40)))
    assert kernel(run("uc-mmc", data=str(path))) != "sparse"


def test_bad_values_are_refused_as_in_dense_rows(tmp_path):
    path = tmp_path / "bad.svm"
    path.write_text("1 1:1 30:2\n2 2:1\n1 7:nan\n" + "1 3:4\n" * 30)
    with pytest.raises(Exception, match="row 3, column 7: nan is not a finite number"):
        run("uc-mmc", data=str(path), check_gradient=False)


# Refusals


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("uc-mmc", {"kernel": "sparse"}, "--kernel sparse is for sparse data"),
        ("mds-mmc", {"kernel": "gram"}, "--kernel gram: mds-mmc has a way of its own"),
    ],
)
def test_what_cannot_be_done_is_refused(name, options, words):
    with pytest.raises(UsageError, match=words):
        run(name, **options)


def test_gram_matrices_are_of_least_squares_only(sparse_file):
    with pytest.raises(UsageError, match="--kernel gram"):
        run("uc-mmc", kernel="gram", objective="logistic", data=sparse_file)
    with pytest.raises(UsageError, match="--kernel sparse"):
        run("lcc-mmc", kernel="sparse", data=sparse_file)
    with pytest.raises(UsageError, match="--kernel: give one of auto, products, gram, sparse"):
        RunConfig(kernel="fast")


def test_a_scheme_that_cannot_do_it_is_left_out_of_a_comparison(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--transport", "simulated", "--workers", "6", "--iterations", "2", "--load", "3"]
    given = ["--schemes", "uc-mmc,mds-mmc", "--kernel", "gram"]
    assert run_command_line(["compare", *arguments, *given]) == 0
    assert "mds-mmc is left out: --kernel gram" in capsys.readouterr().err


def test_workers_import_scipy_only_where_rows_are_sparse_and_nothing_they_seldom_need():
    code = (
        "import sys, mpi4py.MPI, numpy; before = {*sys.modules}; import coded_dgd.engine.serve; "
        "seldom = {'scipy', 'click', 'socket', 'traceback', 'dataclasses', 'logging'}; "
        "print(*seldom & sys.modules.keys() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
