"""Completion times on average, and whole runs, of schemes that we know limits of."""

from itertools import combinations

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.layout import Layout
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.gram import GramSource
from coded_dgd.theory.monte_carlo import simulate

LAW = delays.create("shifted-exponential:mu=10,alpha=0.01", 0)
REALISATIONS = 20_000


def run(name, workers, **options):
    options = {"iterations": 30, "data": "synthetic:rows=61,features=8"} | options
    config = RunConfig(
        scheme=name, workers=workers, transport="simulated", check_gradient=True, **options
    )
    return job.run(prepare(config, None), SimulatedTransport(workers))


def completion(outcome):
    return [record.completion_time for record in outcome.log]


def largest_error(outcome):
    return max(record.gradient_error for record in outcome.log)


# mds-mmc


def decode_products(scheme, Q, beta, arrived):
    """Q beta from the messages that have arrived, as the master puts it together."""
    partition = Partition(len(Q), scheme.blocks)
    source = ArraySource("Q", Q, np.zeros(len(Q)), "in memory")
    ((_, blocks, _),) = partition.windows(source)
    sent = np.zeros((*scheme.expected.shape, partition.height))
    for worker in range(scheme.workers):
        sent[worker] = scheme.encode(worker, blocks) @ beta
    weights = np.reshape(scheme.weights(arrived), (-1, arrived.size))
    assert not weights[:, ~arrived.ravel()].any()
    return Layout(len(Q), scheme.pieces).unpack(weights @ sent.reshape(arrived.size, -1))


@pytest.mark.parametrize(
    ("M", "N", "r"), [(2, 2, 2), (3, 3, 2), (3, 3, 3), (2, 4, 4), (5, 3, 2), (4, 5, 2), (3, 1, 1)]
)
@pytest.mark.parametrize("features", [1, 2, 3, 7, 8])
def test_any_N_products_decode(M, N, r, features):
    """Whether N divides the number of features, or there are even fewer of them."""
    scheme = schemes.create("mds-mmc", M, N, r)
    rng = np.random.default_rng(0)
    X, beta = rng.standard_normal((9, features)), rng.standard_normal(features)
    Q = X.T @ X
    messages = list(np.argwhere(scheme.expected))
    for some in combinations(messages, N):
        arrived = np.zeros(scheme.expected.shape, dtype=bool)
        arrived[tuple(np.transpose(some))] = True
        assert scheme.is_decodable(arrived)
        decoded = decode_products(scheme, Q, beta, arrived)
        np.testing.assert_allclose(decoded, Q @ beta, rtol=1e-8, atol=1e-8)
        arrived[tuple(some[0])] = False
        assert not scheme.is_decodable(arrived)


def test_the_first_messages_of_mds_mmc_are_uncoded():
    scheme = schemes.create("mds-mmc", 6, load=3)
    first = np.array([scheme.generator(worker)[0] for worker in range(6)])
    np.testing.assert_array_equal(first, np.eye(6))


def test_mds_mmc_completes_when_N_tasks_are_done():
    """The least that any scheme can do with: from independent draws."""
    scheme = schemes.create("mds-mmc", 40, load=10)
    sample = simulate(scheme, LAW, REALISATIONS, seed=0)
    rng = np.random.default_rng(1)
    finish = (0.01 + rng.exponential(0.1, (REALISATIONS, 40, 1))) * np.arange(1, 11)
    limit = np.partition(finish.reshape(REALISATIONS, -1), 39, axis=1)[:, 39]
    assert sample.mean == pytest.approx(limit.mean(), rel=0.02)
    assert sample.std == pytest.approx(limit.std(), rel=0.05)
    lcc = simulate(schemes.create("lcc-mmc", 40, load=10), LAW, 2000, seed=0)
    assert sample.mean < 0.75 * lcc.mean


@pytest.mark.parametrize(
    ("workers", "features", "options"),
    [
        (40, 100, {"load": 10, "iterations": 20}),  # N does not divide l
        (40, 8, {"load": 10}),  # l < N
        (6, 8, {"ridge": 2.0}),
        (4, 12, {"blocks": 9, "load": 5, "optimizer": "nesterov"}),
        (9, 5, {"blocks": 4, "load": 2}),
        (3, 1, {}),
    ],
)
def test_runs_of_mds_mmc(workers, features, options):
    outcome = run(
        "mds-mmc", workers, **{"data": f"synthetic:rows=61,features={features}"} | options
    )
    np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-12)
    assert largest_error(outcome) <= 1e-8
    problem = outcome.start.problem
    assert problem.loss(outcome.beta) < problem.loss(np.zeros(features))
    losses = [record.loss for record in outcome.log]
    assert losses[0] == pytest.approx(problem.loss(np.zeros(features)), rel=1e-9)


def test_products_are_of_the_matrix_of_all_rows():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((17, 3)), rng.standard_normal(17)
    gram = GramSource(ArraySource("test", X, y, "in memory"))
    assert (gram.rows, gram.features, gram.name) == (3, 3, "test")
    Q, zeros = gram.read(0, 3)
    np.testing.assert_allclose(Q, X.T @ X, rtol=1e-12)
    assert not zeros.any()
    np.testing.assert_allclose(gram.Xy, X.T @ y, rtol=1e-12)
    assert gram.yy == pytest.approx(y @ y)


# Stopping early where a level is complete


@pytest.mark.parametrize(("M", "N", "r"), [(6, 6, 2), (7, 5, 3), (9, 9, 9), (6, 4, 3)])
@pytest.mark.parametrize("name", ["lcc-mmc", "lcc-mmc-2"])
def test_a_complete_level_is_the_whole_gradient(name, M, N, r):
    try:
        scheme = schemes.create(name, M, N, r, early_stop="coset")
    except Infeasible as refusal:
        pytest.skip(str(refusal))
    rng = np.random.default_rng(0)
    X, beta = rng.standard_normal((N, 3, 5)), rng.standard_normal(5)
    exact = sum(block.T @ (block @ beta) for block in X)
    sent = np.zeros((*scheme.expected.shape, 5))
    for worker in range(M):
        tasks = [block.T @ (block @ beta) for block in scheme.encode(worker, X)]
        ends = scheme.ends(worker)
        sent[worker] = np.diff(np.cumsum([[0] * 5, *tasks], axis=0)[[0, *ends]], axis=0)
    for level in range(scheme.messages):
        for more in (0.0, 0.3, 1.0):
            arrived = rng.random(scheme.expected.shape) < more
            arrived[:, level] = True
            assert scheme.is_decodable(arrived)
            weights = scheme.weights(arrived)
            assert not weights[~arrived].any()
            np.testing.assert_allclose(np.tensordot(weights, sent, 2), exact, rtol=1e-10)
            assert (weights >= 0).all()  # a mean: nothing is amplified
        arrived = np.zeros(scheme.expected.shape, dtype=bool)
        arrived[1:, level] = True
        assert scheme.is_decodable(arrived) == (scheme.threshold < M)


def test_early_stop_saves_a_third_at_40_workers_and_a_load_of_2():
    means = [
        simulate(
            schemes.create("lcc-mmc", 40, load=2, early_stop=rule), LAW, REALISATIONS, seed=0
        ).mean
        for rule in ("none", "coset")
    ]
    assert means == pytest.approx([0.680, 0.438], rel=0.03)


def test_early_stop_never_takes_longer():
    plain, coset = (schemes.create("lcc-mmc", 8, load=3, early_stop=e) for e in ("none", "coset"))
    times = plain.message_times(LAW.sample(np.random.default_rng(0), 500, 8, plain.work))
    assert (coset.completion_time(times) <= plain.completion_time(times)).all()
    assert (coset.completion_time(times) < plain.completion_time(times)).any()


def test_runs_with_early_stop():
    outcome = run("lcc-mmc", 8, load=2, early_stop="coset", iterations=60)
    np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-12)
    assert largest_error(outcome) <= 1e-9
    used = {record.messages_used for record in outcome.log}
    assert min(used) < 15 <= max(used)


def test_early_stop_needs_as_many_workers_as_nodes():
    with pytest.raises(Infeasible, match="use at least 6 workers, or leave it out"):
        schemes.create("lcc-mmc", 5, 6, 6, early_stop="coset")
    assert schemes.create("lcc-mmc", 6, 6, 6, early_stop="coset")
    assert schemes.create("lcc-mmc", 5, 6, 6)
    assert schemes.create("lcc-mmc-2", 3, 6, 6, early_stop="coset")
    with pytest.raises(UsageError, match="give none or coset"):
        schemes.create("lcc-mmc", 6, early_stop="always")
    with pytest.raises(UsageError, match="--early-stop means nothing to lcc: leave it out"):
        schemes.create("lcc", 6, early_stop="coset")
