"""Stochastic schemes: what their estimates are on average, p, stop rules, and what is refused."""

import re

import numpy as np
import pytest
from observing import Recorder

from coded_dgd import delays, schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.problems import objectives
from coded_dgd.schemes._stochastic import StochasticScheme

NAMES = ["bgc", "erasurehead", "ignore-stragglers", "sgc", "sgc-send-all"]
WORKERS, ROWS, FEATURES, P, DRAWS = 12, 60, 4, 0.3, 2000

every_scheme = pytest.mark.parametrize("name", NAMES)


def test_these_are_all_stochastic_schemes():
    found = [
        name
        for name in schemes.names()
        if isinstance(schemes.create(name, WORKERS), StochasticScheme)
    ]
    assert found == NAMES


class Rows:
    """Rows of unequal size, and the gradient of each block of them."""

    def __init__(self):
        rng = np.random.default_rng(5)
        size = np.where(np.arange(ROWS) % 4 == 0, 2.0, 0.7)
        self.X = size[:, None] * (1 + 0.5 * rng.standard_normal((ROWS, FEATURES)))
        self.y = rng.standard_normal(ROWS)
        self.beta = rng.standard_normal(FEATURES)

    def norms(self, count):
        return np.array([(X**2).sum() for X in np.split(self.X, count)])

    def gradients(self, count):
        gradient = objectives.create("least-squares").gradient
        blocks = zip(np.split(self.X, count), np.split(self.y, count), strict=True)
        return np.array([gradient(X, y, self.beta, None) for X, y in blocks])

    def payloads(self, scheme):
        """What each worker sends, (M, J, l)."""
        gradients = self.gradients(scheme.blocks)
        sent = np.zeros((*scheme.expected.shape, FEATURES))
        for worker in range(scheme.workers):
            tasks = scheme.coefficients(worker)[:, None] * scheme.encode(worker, gradients)
            first = 0
            for message, last in enumerate(scheme.ends(worker)):
                sent[worker, message] = tasks[first:last].sum(axis=0)
                first = last
        return sent


DATA = Rows()


def fitted(name, workers=WORKERS, **options):
    scheme = schemes.create(name, workers, **options)
    scheme.fit(ROWS, DATA.norms)
    return scheme


def estimates(scheme, p=P, delay_streams=DRAWS, seed=0):
    """Estimates of the gradient when each worker straggles with probability p, (draws, l)."""
    sent = DATA.payloads(scheme)
    up = np.random.default_rng(seed).random((delay_streams, scheme.workers)) >= p
    weights = np.array([scheme.weights(each[:, None] & scheme.expected) for each in up])
    return np.tensordot(weights, sent, 2)


def standard_errors(drawn, expected):
    """Difference of each component's mean from what is expected, in standard errors."""
    return np.abs(drawn.mean(axis=0) - expected) / (drawn.std(axis=0, ddof=1) / len(drawn) ** 0.5)


def iterate(decoder, finish):
    """One iteration as the master has it: what is late is not there when the deadline comes."""
    times = decoder.scheme.message_times(finish)
    decoder.begin()
    for worker, message in np.argwhere(times <= (decoder.scheme.deadline or np.inf)):
        if decoder.arrive((worker, message)):
            return
    decoder.expire()


GRADIENT = DATA.gradients(1)[0]


# What estimates are on average: each component within 4 standard errors


UNBIASED = [
    ("sgc", {}),
    ("sgc", {"redundancy": 3.5}),
    ("sgc", {"redundancy": 1}),
    ("sgc", {"blocks": 3, "assignment": "balanced", "redundancy": 12}),
    ("sgc", {"blocks": 20}),
    ("bgc", {}),
    ("bgc", {"redundancy": 5}),
    ("ignore-stragglers", {}),
    ("ignore-stragglers", {"blocks": 30}),
    ("sgc-send-all", {}),
    ("sgc-send-all", {"redundancy": 3.5, "normalisation": "per-block"}),
    ("erasurehead", {"normalisation": "per-block"}),
    ("erasurehead", {"normalisation": "per-block", "redundancy": 3}),
]


@pytest.mark.parametrize(("name", "options"), UNBIASED)
def test_estimates_are_unbiased(name, options):
    scheme = fitted(name, p=str(P), **options)
    drawn = estimates(scheme)
    assert standard_errors(drawn, GRADIENT).max() < 4
    assert standard_errors(drawn, 1.1 * GRADIENT).max() > 4  # it would be seen


@pytest.mark.parametrize("redundancy", [1, 2, 3])
@pytest.mark.parametrize("p", [0.2, 0.6])
def test_the_estimate_of_erasurehead_is_too_short_by_a_known_factor(redundancy, p):
    scheme = fitted("erasurehead", redundancy=redundancy)
    assert scheme.blocks == WORKERS // redundancy
    drawn = estimates(scheme, p=p)
    assert standard_errors(drawn, (1 - p**redundancy) * GRADIENT).max() < 4
    assert standard_errors(drawn, GRADIENT).max() > 4


def test_the_wrong_probability_makes_a_bias():
    drawn = estimates(fitted("sgc", p="0.5"))
    assert standard_errors(drawn, (1 - P) / 0.5 * GRADIENT).max() < 4
    assert standard_errors(drawn, GRADIENT).max() > 4


def test_sgc_send_all_as_printed_is_biased_where_copies_differ():
    scheme = fitted("sgc-send-all", p=str(P), normalisation="printed", redundancy=2.5)
    assert scheme.copies.min() < scheme.copies.max()
    reached = 1 - P**scheme.copies
    expected = ROWS / reached.sum() * (reached @ DATA.gradients(ROWS))
    drawn = estimates(scheme)
    assert standard_errors(drawn, expected).max() < 4
    assert standard_errors(drawn, GRADIENT).max() > 4


def test_sgc_send_all_as_printed_is_per_block_where_copies_are_equal():
    options = {"p": str(P), "redundancy": 12}
    printed = estimates(
        fitted("sgc-send-all", normalisation="printed", **options), delay_streams=50
    )
    per_block = estimates(fitted("sgc-send-all", **options), delay_streams=50)
    np.testing.assert_allclose(printed, per_block, rtol=1e-12)


def test_knowing_distinct_gradients_is_better_than_their_sum():
    """SGC-Send-All is the lower bound that the paper shows."""
    spread = {
        name: np.trace(np.cov(estimates(fitted(name, p="0.5", seed=1), p=0.5).T))
        for name in ("sgc", "sgc-send-all")
    }
    assert spread["sgc-send-all"] < spread["sgc"]


@every_scheme
def test_a_straggler_counts_for_nothing_whatever_it_has_sent(name):
    scheme = fitted(name, p=str(P))
    arrived = scheme.expected.copy()
    arrived[3] = False
    before = scheme.weights(arrived)
    if scheme.messages > 1:
        arrived[3, 0] = True  # its first message only
        np.testing.assert_array_equal(scheme.weights(arrived), before)


@every_scheme
def test_nothing_at_all_is_an_estimate_of_zero(name):
    for p in ("auto", "0.3"):
        scheme = fitted(name, p=p)
        decoder = GuardedDecoder(scheme, 1e6)
        decoder.expire()
        assert decoder.weights.shape == (0,)
        assert not scheme.weights(np.zeros_like(scheme.expected)).any()


@pytest.mark.filterwarnings("error")
@every_scheme
@pytest.mark.parametrize("normalisation", [None, "printed", "per-block"])
def test_a_first_iteration_in_which_nobody_is_done_in_time_is_silent(name, normalisation):
    if normalisation and name not in ("sgc-send-all", "erasurehead"):
        pytest.skip("has no normalisation")
    scheme = fitted(name, wait="deadline:0.5", normalisation=normalisation)
    decoder = GuardedDecoder(scheme, 1e6)
    iterate(decoder, np.full((WORKERS, scheme.load), 1.0))
    assert decoder.learnt.straggler_probability == 1
    assert not decoder.weights.any()
    iterate(decoder, np.full((WORKERS, scheme.load), 0.2))
    assert decoder.learnt.straggler_probability == 0.5
    assert np.isfinite(decoder.weights).all()
    assert decoder.weights.any()


# The vectorised twin of the weights


def factors_message_by_message(scheme, finished, learnt=None):
    """Factor of each block in the estimate, (N,), from what single messages are made of."""
    weights = scheme.weights(finished[:, None] & scheme.expected, learnt)
    factors = np.zeros(scheme.blocks)
    for worker in range(scheme.workers):
        tasks = scheme.coefficients(worker)[:, None] * scheme.encode(worker, np.eye(scheme.blocks))
        first = 0
        for message, last in enumerate(scheme.ends(worker)):
            factors += weights[worker, message] * tasks[first:last].sum(axis=0)
            first = last
    return factors


TWINS = [(name, {}) for name in NAMES]
TWINS += [
    ("sgc", {"redundancy": 3.5}),
    ("sgc", {"redundancy": 12}),
    ("sgc", {"blocks": 4}),  # some workers hold nothing
    ("sgc", {"blocks": 11, "workers": 16, "assignment": "balanced", "redundancy": 8}),
    ("bgc", {"redundancy": 5, "blocks": 20}),
    ("erasurehead", {"redundancy": 1}),
    ("erasurehead", {"redundancy": 4, "normalisation": "per-block"}),
    ("ignore-stragglers", {"blocks": 30}),
    ("ignore-stragglers", {"blocks": 5}),
    ("sgc-send-all", {"redundancy": 3.5, "blocks": 15}),
    ("sgc-send-all", {"redundancy": 2.5, "normalisation": "printed"}),
]


@pytest.mark.parametrize(("name", "options"), TWINS)
@pytest.mark.parametrize("p", ["0", "0.3", "0.9"])
def test_block_weights_are_those_of_the_messages(name, options, p):
    scheme = fitted(name, p=p, **options)
    finished = np.random.default_rng(3).random((40, scheme.workers)) >= 0.6
    finished[0], finished[1] = True, False
    expected = [factors_message_by_message(scheme, each) for each in finished]
    found = scheme.block_weights(finished)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert not found[1].any()
    assert len(np.unique(found.round(9), axis=0)) > 4  # the patterns make a difference


@pytest.mark.filterwarnings("error")
@every_scheme
def test_block_weights_follow_the_estimate_of_p(name):
    scheme = fitted(name, wait="deadline:0.5")
    nobody = np.zeros(WORKERS, dtype=bool)
    half = np.arange(WORKERS) % 2 == 0
    learnt = scheme.learnt()
    for finished, p in ((nobody, 1.0), (half, 0.75), (~nobody, 0.5)):
        learnt.observe(finished[:, None] & scheme.expected)
        assert learnt.straggler_probability == p
        expected = factors_message_by_message(scheme, finished, learnt)
        found = scheme.block_weights(finished[None], learnt)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


# Placement


def test_copies_of_sgc_follow_the_norms_and_those_of_bgc_do_not():
    sgc, bgc = fitted("sgc", redundancy=3), fitted("bgc", redundancy=3)
    norms = DATA.norms(ROWS)
    for scheme in (sgc, bgc):
        held = np.concatenate([scheme.held(worker) for worker in range(WORKERS)])
        np.testing.assert_array_equal(np.bincount(held, minlength=ROWS), scheme.copies)
        assert scheme.copies.sum() == 3 * ROWS
    assert np.corrcoef(sgc.copies, norms)[0, 1] > 0.95
    assert (bgc.copies == 3).all()


def test_blocks_of_the_schemes():
    blocks = {name: fitted(name).blocks for name in NAMES}
    assert blocks == {
        "sgc": ROWS,
        "sgc-send-all": ROWS,
        "bgc": ROWS,
        "ignore-stragglers": WORKERS,
        "erasurehead": WORKERS // 2,
    }
    assert fitted("sgc", blocks=20).blocks == 20
    assert fitted("ignore-stragglers", blocks=30).blocks == 30


def test_a_balanced_assignment_is_the_design():
    scheme = fitted("sgc", workers=16, blocks=15, assignment="balanced", redundancy=8)
    matrix = np.zeros((15, 16), dtype=int)
    for worker in range(16):
        matrix[scheme.held(worker), worker] = 1
    expected = np.full((15, 15), 4) + 4 * np.eye(15)
    np.testing.assert_array_equal(matrix @ matrix.T, expected)


@every_scheme
def test_the_seed_decides_the_assignment(name):
    def matrix(seed):
        scheme = fitted(name, seed=seed)
        return [scheme.held(worker).tolist() for worker in range(WORKERS)]

    assert matrix(1) == matrix(1)
    assert (matrix(1) != matrix(2)) == (name in ("sgc", "bgc", "sgc-send-all"))


# p, and stop rules


@every_scheme
@pytest.mark.parametrize("p", [0.1, 0.7])
def test_p_is_estimated(name, p):
    scheme = fitted(name, wait="deadline:0.5")
    decoder = GuardedDecoder(scheme, 1e6)
    delay = delays.create(f"bernoulli:p={p},slow=inf", 0)
    assert decoder.learnt.straggler_probability == 0
    finish = delay.sample(np.random.default_rng(0), 1000, WORKERS, scheme.work)
    missing = np.isinf(finish[..., 0]).mean(axis=1)
    for iteration, each in enumerate(finish, start=1):
        iterate(decoder, each)
        assert decoder.learnt.straggler_probability == pytest.approx(
            missing[:iteration].mean(), abs=1e-12
        )
    p_found = decoder.learnt.straggler_probability
    assert abs(p_found - p) < 4 * np.sqrt(p * (1 - p) / (1000 * WORKERS))


@pytest.mark.parametrize("name", ["sgc", "bgc", "ignore-stragglers", "sgc-send-all"])
def test_p_is_estimated_where_some_workers_hold_nothing(name):
    """They are never missing, and say nothing about those that may be."""
    scheme = fitted(name, blocks=4, wait="deadline:0.5")
    assert any(scheme.tasks(worker) == 0 for worker in range(WORKERS))
    decoder = GuardedDecoder(scheme, 1e6)
    delay = delays.create("bernoulli:p=0.6,slow=inf", 0)
    for finish in delay.sample(np.random.default_rng(0), 1000, WORKERS, scheme.work):
        iterate(decoder, finish)
    busy = sum(scheme.tasks(worker) > 0 for worker in range(WORKERS))
    assert abs(decoder.learnt.straggler_probability - 0.6) < 4 * np.sqrt(0.24 / (1000 * busy))


@every_scheme
@pytest.mark.parametrize("K", [1, 5, 11, 12])
def test_the_fastest_K_make_p_exactly(name, K):
    scheme = fitted(name, wait=f"fastest:{K}")
    decoder = GuardedDecoder(scheme, 1e6)
    delay = delays.create("shifted-exponential", 0)
    for finish in delay.sample(np.random.default_rng(0), 20, WORKERS, scheme.work):
        ideal = replay(decoder, finish)
        done = np.sort([finish[w, scheme.tasks(w) - 1] for w in range(WORKERS)])
        assert ideal.completion_time == done[K - 1]
        assert decoder.learnt.straggler_probability == pytest.approx(1 - K / WORKERS, abs=1e-12)


@every_scheme
def test_a_given_p_is_not_estimated(name):
    scheme = fitted(name, p="0.25", wait="fastest:3")
    decoder = GuardedDecoder(scheme, 1e6)
    for finish in np.random.default_rng(0).random((5, WORKERS, 1)):
        replay(decoder, np.repeat(finish, scheme.load, axis=1))
    assert decoder.learnt.straggler_probability == 0.25


@every_scheme
def test_a_deadline(name):
    scheme = fitted(name, wait="deadline:0.4")
    decoder = GuardedDecoder(scheme, 1e6)
    delay = delays.create("bernoulli:p=0.1,slow=2,fast=0.1", 0)
    finish = delay.sample(np.random.default_rng(0), 50, WORKERS, scheme.work)
    all_there = (finish < 1).all(axis=(1, 2))
    expected = np.where(all_there, 0.1, 0.4)
    assert 5 < all_there.sum() < 45
    np.testing.assert_array_equal(
        [replay(decoder, each).completion_time for each in finish], expected
    )
    times = scheme.message_times(finish)
    np.testing.assert_array_equal(scheme.completion_time(times), expected)


@pytest.mark.parametrize("wait", ["all", "fastest:2", "fastest:9"])
@pytest.mark.parametrize("name", ["sgc", "ignore-stragglers", "sgc-send-all"])
def test_the_twin_agrees_with_replay_where_some_workers_hold_nothing(name, wait):
    scheme = fitted(name, blocks=4, wait=wait)
    assert any(scheme.tasks(worker) == 0 for worker in range(WORKERS))
    delay = delays.create("shifted-exponential", 0)
    finish = delay.sample(np.random.default_rng(0), 20, WORKERS, scheme.work)
    decoder = GuardedDecoder(scheme, 1e6)
    ideal = [replay(decoder, each).completion_time for each in finish]
    completion = scheme.completion_time(scheme.message_times(finish))
    np.testing.assert_array_equal(completion, ideal)
    rng = np.random.default_rng(1)
    for _ in range(100):
        done = rng.integers(0, scheme.expected.sum(axis=1) + 1)
        arrived = np.arange(scheme.messages) < done[:, None]
        assert scheme.rule.holds(arrived) == scheme.is_decodable(arrived)


STOP_RULES = ["fastest", "fastest:", "fastest:0", "fastest:13", "fastest:2.5", "fastest:x", "all:3"]
STOP_RULES += ["deadline", "deadline:", "deadline:0", "deadline:-1", "deadline:inf", "deadline:nan"]
STOP_RULES += ["", "everything", "3"]


@every_scheme
@pytest.mark.parametrize("wait", STOP_RULES)
def test_stop_rules_that_cannot_be_are_refused_with_those_that_can(name, wait):
    with pytest.raises(UsageError) as caught:
        schemes.create(name, WORKERS, wait=wait)
    text = str(caught.value)
    assert f"--wait {wait!r}" in text
    assert "give all, fastest:K with K from 1 to 12, or deadline:SECONDS" in text


def test_a_stop_rule_that_is_nearly_right_is_named():
    with pytest.raises(UsageError, match=r"did you mean 'fastest'\?"):
        schemes.create("sgc", WORKERS, wait="fast:3")
    with pytest.raises(UsageError, match=r"did you mean 'deadline'\?"):
        schemes.create("sgc", WORKERS, wait="dedline:3")


@every_scheme
@pytest.mark.parametrize("p", ["1", "-0.1", "nan", "inf", "half", ""])
def test_a_p_that_cannot_be_is_refused(name, p):
    with pytest.raises(UsageError, match=r"give auto, or a probability 0 <= p < 1"):
        schemes.create(name, WORKERS, p=p)


@pytest.mark.parametrize("name", ["sgc", "bgc", "erasurehead", "sgc-send-all"])
@pytest.mark.parametrize("redundancy", [0, 0.5, 12.5, -1, np.nan, np.inf])
def test_a_redundancy_out_of_range_is_refused(name, redundancy):
    with pytest.raises(Infeasible, match="choose --redundancy from 1 to 12"):
        schemes.create(name, WORKERS, redundancy=redundancy)


@pytest.mark.parametrize(("workers", "redundancy"), [(12, 5), (12, 2.5), (7, 2), (1, 1), (9, 2)])
def test_erasurehead_needs_equal_groups(workers, redundancy):
    if (workers, redundancy) == (1, 1):
        assert schemes.create("erasurehead", 1, redundancy=1)
        return
    with pytest.raises(Infeasible, match="to divide M") as caught:
        schemes.create("erasurehead", workers, redundancy=redundancy)
    mend = re.search(r"use --redundancy (\d+), or", str(caught.value))
    assert schemes.create("erasurehead", workers, redundancy=float(mend[1]))


@pytest.mark.parametrize("name", ["bgc", "sgc"])
@pytest.mark.parametrize("redundancy", [1.5, 2.5, 11.6])
def test_whole_numbers_of_copies_where_all_have_the_same(name, redundancy):
    options = {"assignment": "balanced", "blocks": 1} if name == "sgc" else {}
    with pytest.raises(UsageError, match="same number of copies") as caught:
        fitted(name, redundancy=redundancy, **options)
    mend = re.search(r"use --redundancy (\d+)", str(caught.value))
    assert fitted(name, redundancy=float(mend[1]), **options)


def test_what_needs_no_data_is_refused_without_any():
    with pytest.raises(UsageError, match="same number of copies"):
        schemes.create("bgc", WORKERS, redundancy=2.5)
    with pytest.raises(UsageError, match="same number of copies"):
        schemes.create("sgc", WORKERS, redundancy=2.5, assignment="balanced")


@pytest.mark.parametrize(
    ("name", "option", "value", "words"),
    [
        ("sgc", "assignment", "fair", "give random or balanced"),
        ("sgc-send-all", "normalisation", "none", "give per-block or printed"),
        ("erasurehead", "normalisation", "none", "give per-block or printed"),
        ("sgc", "normalisation", "printed", "--normalisation means nothing to sgc: leave it out"),
        ("erasurehead", "assignment", "random", "--assignment means nothing to erasurehead"),
        ("ignore-stragglers", "redundancy", 2.0, "--redundancy means nothing to ignore-stragglers"),
        ("uncoded", "wait", "all", "--wait means nothing to uncoded: leave it out"),
        ("sgc", "load", 3, "--load means nothing to sgc: leave it out"),
        ("erasurehead", "blocks", 3, "--blocks means nothing to erasurehead: leave it out"),
    ],
)
def test_options_that_mean_nothing_are_refused(name, option, value, words):
    with pytest.raises(UsageError, match=words):
        schemes.create(name, WORKERS, **{option: value})


# Whole runs in virtual time


def run(name, on_iteration=lambda *_: None, workers=WORKERS, **options):
    options = {"iterations": 20, "data": "synthetic:rows=61,features=8"} | options
    config = RunConfig(scheme=name, workers=workers, transport="simulated", **options)
    setup = prepare(config, None)
    fresh, learnt = setup.scheme.learnt, []
    setup.scheme.learnt = lambda: learnt.append(fresh()) or learnt[-1]
    return job.run(
        setup,
        SimulatedTransport(workers),
        Recorder(lambda record: on_iteration(record, learnt[-2])),  # the last is of the ideal
    )


@every_scheme
@pytest.mark.parametrize("wait", ["fastest:7", "deadline:0.15", "all"])
@pytest.mark.parametrize(
    "delay", ["shifted-exponential:mu=10,alpha=0.01", "bernoulli:p=0.3,slow=1,fast=0.02"]
)
@pytest.mark.parametrize("p", ["auto", "0.3"])
def test_runs_equal_the_replayed_ideal(name, wait, delay, p):
    outcome = run(name, wait=wait, delay=delay, p=p, check_gradient=True)
    completion = [record.completion_time for record in outcome.log]
    np.testing.assert_allclose(completion, outcome.ideal, rtol=1e-12)
    scheme = outcome.setup.scheme
    finish = outcome.setup.delay.trace(20, WORKERS, scheme.work)
    rule = scheme.completion_time(scheme.message_times(finish))
    np.testing.assert_allclose(outcome.ideal, rule, rtol=1e-12)
    if wait.startswith("deadline"):
        assert max(completion) <= 0.15 * (1 + 1e-12)
        assert any(record.messages_used < scheme.expected.sum() for record in outcome.log)
    if wait.startswith("fastest") and scheme.messages == 1:
        assert {record.messages_used for record in outcome.log} == {7}
    if wait == "all" and (p == "auto" or name == "erasurehead"):
        assert max(record.gradient_error for record in outcome.log) <= 1e-9
    assert np.isfinite(outcome.beta).all()


@every_scheme
def test_replay_leaves_the_decoder_as_it_is_at_the_deadline(name):
    decoder, again = (GuardedDecoder(fitted(name, wait="deadline:0.5"), 1e6) for _ in range(2))
    delay = delays.create("bernoulli:p=0.3,slow=inf", 0)
    for finish in delay.sample(np.random.default_rng(0), 5, WORKERS, decoder.scheme.work):
        iterate(decoder, finish)
        assert replay(again, finish).order == again.order
        assert set(again.order) == set(decoder.order)
        assert again.learnt.straggler_probability == decoder.learnt.straggler_probability
        np.testing.assert_allclose(np.sort(again.weights), np.sort(decoder.weights), rtol=1e-12)


@every_scheme
@pytest.mark.parametrize("p", [0.05, 0.5])
def test_p_is_that_of_the_iterations_so_far(name, p):
    """This one included, and none that are still to come."""
    seen = []
    delay = f"bernoulli:p={p},slow=inf,fast=0.02"
    outcome = run(
        name,
        lambda _, learnt: seen.append(learnt.straggler_probability),
        wait="deadline:0.1",
        delay=delay,
    )
    scheme = outcome.setup.scheme
    finish = outcome.setup.delay.trace(20, WORKERS, scheme.work)[..., 0]
    missing = np.cumsum(np.isinf(finish).sum(axis=1)) / (WORKERS * np.arange(1, 21))
    np.testing.assert_allclose(seen, missing, rtol=1e-12)


@pytest.mark.parametrize("name", [*NAMES, "uncoded"])
def test_waiting_for_all_stalls_where_some_never_finish(name):
    with pytest.raises(Infeasible, match=r"in iteration 0 .*use a scheme, --load or --wait"):
        run(name, delay="bernoulli:p=0.7,slow=inf")


def test_uncoded_stalls_before_any_data_are_read():
    config = RunConfig(scheme="uncoded", workers=4, delay="bernoulli:slow=inf", data="no such.npy")
    with pytest.raises(Infeasible, match="in iteration 0"):
        prepare(config, None)


@every_scheme
def test_a_deadline_does_not_stall_where_some_never_finish(name):
    delay = "bernoulli:p=0.7,slow=inf,fast=0.02"
    outcome = run(name, delay=delay, wait="deadline:0.1")
    completion = np.array([record.completion_time for record in outcome.log])
    np.testing.assert_allclose(completion, outcome.ideal, rtol=1e-12)
    assert set(completion.round(9)) <= {0.02, 0.1}


@pytest.mark.parametrize("name", ["sgc", "bgc", "sgc-send-all", "erasurehead"])
def test_a_redundancy_of_d_takes_d_times_as_long(name):
    """A worker's time is proportional to the share of the rows that it holds."""
    d = 3
    options = {"delay": "shifted-exponential:mu=10,alpha=0.01", "data": "synthetic:rows=600"}
    outcome = run(name, redundancy=d, workers=12, iterations=3, **options)
    uncoded = run("uncoded", workers=12, iterations=3, **options)
    scheme = outcome.setup.scheme
    tasks = np.array([scheme.tasks(worker) for worker in range(12)])
    times = outcome.setup.delay.trace(3, 12, scheme.work)[:, np.arange(12), tasks - 1]
    usual = uncoded.setup.delay.trace(3, 12, uncoded.setup.scheme.work)[..., 0]
    share = tasks * 12 / scheme.blocks
    np.testing.assert_allclose(times, share * usual, rtol=1e-9)
    assert share.mean() == pytest.approx(d, rel=1e-12)
    assert (np.abs(share - d) < 1).all()
    seen = outcome.arrivals[0][
        np.arange(3)[:, None], np.arange(12), scheme.expected.sum(axis=1) - 1
    ]
    np.testing.assert_allclose(seen, times, rtol=1e-9)
