"""Whole runs under the virtual clock, for every scheme: real arithmetic, ideal network."""

import numpy as np
import pytest
from observing import Recorder

from coded_dgd import delays, registry, schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job, staging
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.base import Batch
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Diverged, Infeasible, Undecodable, UsageError
from coded_dgd.guard import GuardedDecoder
from coded_dgd.problems import objectives
from coded_dgd.problems.problem import Problem
from coded_dgd.problems.sources import open_source
from coded_dgd.runs.run_folder import recording
from coded_dgd.schemes.base import Scheme

NAMES = [*schemes.names(), "lcc-mmc-2"]
DATA = "synthetic:rows=61,features=8"  # 61 is prime: blocks are of unequal height

DYNAMIC = [name for name in NAMES if schemes.find(name)[0].dynamic]

every_scheme = pytest.mark.parametrize("name", NAMES)
every_fixed_scheme = pytest.mark.parametrize("name", [n for n in NAMES if n not in DYNAMIC])


def run(name="lcc-mmc", workers=6, transport=SimulatedTransport, **options):
    options = {"iterations": 5, "data": DATA, "check_gradient": True} | options
    config = RunConfig(scheme=name, workers=workers, transport="simulated", **options)
    setup = prepare(config, None)
    return job.run(setup, transport(workers))


def chosen(name, **sizes):
    """Of these sizes, those that the user of the scheme chooses."""
    kind = registry.find(schemes, name.removesuffix("-2"), Scheme, "scheme")
    return {size: value for size, value in sizes.items() if size in kind.sizes}


def is_exact(outcome):
    """Whether every gradient is the gradient: also of schemes that wait for all their workers."""
    scheme = outcome.setup.scheme
    return scheme.exact or scheme.data_dependent


def completion_times(outcome):
    return [record.completion_time for record in outcome.log]


def largest_error(outcome):
    return max(record.gradient_error for record in outcome.log)


def serial(outcome):
    """The result of the same steps along the exact gradient."""
    config, step = outcome.setup.config, outcome.start.step
    source = open_source(config.data, config.seed)
    problem = Problem(source, objectives.create(config.objective), config.ridge)
    beta = point = np.zeros(source.features)
    for t in range(1, len(outcome.log) + 1):
        before = beta
        beta = point - step * problem.gradient(point)
        momentum = t / (t + 3) if config.optimizer == "nesterov" else 0.0
        point = beta + momentum * (beta - before)
    return beta


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


# Every scheme


@every_scheme
def test_completion_times_equal_the_replayed_ideal(name):
    outcome = run(name, iterations=20)
    assert len(outcome.log) == len(outcome.ideal) == 20
    np.testing.assert_allclose(completion_times(outcome), outcome.ideal, rtol=1e-12)


@every_fixed_scheme
def test_completion_times_are_those_of_the_rule(name):
    outcome = run(name, iterations=20)
    scheme, delay = outcome.setup.scheme, outcome.setup.delay
    finish = delay.trace(20, scheme.workers, scheme.work)
    rule = scheme.completion_time(scheme.message_times(finish))
    extra = np.array([record.extra_messages for record in outcome.log])
    np.testing.assert_allclose(outcome.ideal[extra == 0], rule[extra == 0], rtol=1e-12)


@every_scheme
@pytest.mark.parametrize(
    "delay",
    ["pareto:tasks=independent", "shifted-exponential:tasks=independent", "markov:mu=10"],
)
def test_workers_draw_what_rank_0_expects(name, delay):
    outcome = run(name, iterations=20, delay=delay)
    np.testing.assert_allclose(completion_times(outcome), outcome.ideal, rtol=1e-12)
    assert len(set(outcome.ideal)) == 20


@every_scheme
@pytest.mark.parametrize("optimizer", ["gd", "nesterov"])
@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_exact_schemes_do_what_one_process_does(name, optimizer, ridge):
    outcome = run(name, iterations=50, optimizer=optimizer, ridge=ridge)
    assert outcome.status == "done"
    if is_exact(outcome):
        assert largest_error(outcome) <= 1e-6
        assert distance(outcome.beta, serial(outcome)) <= 1e-8
    else:
        assert np.isfinite(outcome.beta).all()


@pytest.mark.parametrize(("tolerance", "exact"), [(0.0, True), (0.4, False)])
def test_partial_gradients_are_exact_without_tolerance(tolerance, exact):
    outcome = run("uc-mmc-pg", iterations=50, tolerance=tolerance)
    assert (largest_error(outcome) <= 1e-12) == exact
    assert (distance(outcome.beta, serial(outcome)) <= 1e-12) == exact


@every_scheme
def test_losses_are_those_before_each_step(name):
    outcome = run(name, ridge=0.5)
    if not outcome.setup.scheme.exact:
        assert [record.loss for record in outcome.log] == [None] * 5
        return
    problem = outcome.start.problem
    losses = [problem.loss(np.zeros(8))]
    for iterations in range(1, 5):
        losses.append(problem.loss(run(name, ridge=0.5, iterations=iterations).beta))
    np.testing.assert_allclose([record.loss for record in outcome.log], losses, rtol=1e-9)


SIZES = [
    # workers, blocks, load
    (4, 9, 6),
    (9, 4, 3),  # more workers than blocks
    (5, 7, 7),
    (7, 5, 2),
    (6, 100, 60),  # more blocks than rows
    (3, 1, 1),
    (1, 1, 1),
]


@every_scheme
@pytest.mark.parametrize(("workers", "blocks", "load"), SIZES)
def test_any_sizes_go_together(name, workers, blocks, load):
    sizes = chosen(name, blocks=blocks, load=load)
    try:
        schemes.create(name, workers, **sizes)
    except Infeasible as refusal:
        pytest.skip(str(refusal))
    outcome = run(name, workers, iterations=12, **sizes)
    np.testing.assert_allclose(completion_times(outcome), outcome.ideal, rtol=1e-12)
    if is_exact(outcome):
        assert largest_error(outcome) <= 1e-6
        assert distance(outcome.beta, serial(outcome)) <= 1e-8


@every_scheme
def test_without_delay_nothing_takes_time(name):
    outcome = run(name, delay="none")
    assert completion_times(outcome) == [0.0] * 5
    assert outcome.ideal is None
    if is_exact(outcome):
        assert largest_error(outcome) <= 1e-6


@every_scheme
def test_every_message_is_accounted_for(name):
    outcome = run(name, iterations=10)
    used = [record.messages_used for record in outcome.log]
    wasted = sum(record.wasted_messages for record in outcome.log)
    sent = sum(report.results for report in outcome.ending.reports)
    assert sent == sum(used) + wasted + outcome.ending.drained
    expected = outcome.setup.scheme.expected
    assert outcome.arrivals[0].shape == (10, *expected.shape)
    assert all(1 <= each <= expected.sum() for each in used)
    for record, arrivals in zip(outcome.log, outcome.arrivals[0], strict=True):
        assert not np.isfinite(arrivals[~expected]).any()
        assert (arrivals <= record.completion_time).sum() >= record.messages_used


class Late(SimulatedTransport):
    """Holds some messages back until something else arrives, maybe in a later iteration."""

    def __init__(self, workers):
        super().__init__(workers)
        self.held, self.delivered = [], []
        self.rng = np.random.default_rng(0)

    def receive(self, until=np.inf, enough=1):
        batch, self.held = self.held, []
        try:
            arrived = super().receive(until)
        except Undecodable:
            if not batch:
                raise
        else:
            for message in zip(
                arrived.peers, arrived.rows, arrived.lengths, arrived.times, strict=True
            ):
                (batch if self.rng.random() < 0.6 else self.held).append(message)
        for peer, row, *_ in batch:
            _, iteration, number, *_ = map(int, self.payloads.headers([row])[0])
            self.delivered.append((iteration, peer, number))
        return Batch(*map(list, zip(*batch, strict=True)))


@pytest.mark.parametrize("name", ["uc-mmc", "lcc", "lcc-mmc", "lcc-mmc-2", "gc", "mds-mmc"])
def test_messages_of_an_old_iteration_are_wasted_and_never_used(name):
    transports = []

    def late(workers):
        transports.append(Late(workers))
        return transports[0]

    outcome = run(name, transport=late, iterations=30)
    delivered = transports[0].delivered
    used = sum(record.messages_used for record in outcome.log)
    wasted = sum(record.wasted_messages for record in outcome.log)
    assert wasted > 3
    assert used + wasted == len(delivered)
    assert largest_error(outcome) <= 1e-6
    assert distance(outcome.beta, serial(outcome)) <= 1e-8
    ideal = outcome.setup.scheme.message_times(
        outcome.setup.delay.trace(30, 6, outcome.setup.scheme.work)
    )
    seen = np.full(ideal.shape, np.nan)
    for index in delivered:
        seen[index] = ideal[index]
    np.testing.assert_allclose(outcome.arrivals[0], seen, rtol=1e-9)


@every_fixed_scheme
def test_the_arrivals_of_a_run_replayed_give_the_same_run(name, tmp_path):
    first = run(name, iterations=6)
    scheme = first.setup.scheme
    path = tmp_path / "arrivals.npz"
    np.savez(path, **recording(first.stages[0], first.arrivals[0], first.setup.delay))
    again = run(name, iterations=6, **chosen(name, load=scheme.load), delay=f"trace:{path}")
    np.testing.assert_allclose(completion_times(again), completion_times(first), rtol=1e-12)
    np.testing.assert_allclose(again.beta, first.beta, rtol=1e-9)


@pytest.mark.parametrize("name", DYNAMIC)
@pytest.mark.parametrize("delay", ["pareto:shape=3,scale=0.05,per=share", "persistent:ranks=2"])
def test_the_arrivals_of_a_dynamic_run_replayed_give_a_similar_run(name, delay, tmp_path):
    """What broken off tasks would have taken is not recorded."""
    first = run(name, iterations=30, delay=delay)
    path = tmp_path / "arrivals.npz"
    np.savez(path, **recording(first.stages[0], first.arrivals[0], first.setup.delay))
    again = run(name, iterations=30, delay=f"trace:{path}")
    assert np.mean(completion_times(again)) == pytest.approx(
        np.mean(completion_times(first)), rel=0.1
    )
    assert largest_error(again) <= 1e-12


@every_scheme
def test_the_seed_decides_data_and_delays(name):
    first, again, other = (run(name, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.beta, again.beta)
    assert completion_times(first) == completion_times(again)
    assert completion_times(first) != completion_times(other)
    assert distance(first.beta, other.beta) > 1e-3


# Stopping


@pytest.mark.parametrize("name", ["uncoded", "lcc-mmc"])
def test_a_run_stops_once_the_gradient_is_small_enough(name):
    outcome = run(name, iterations=1000, stop_at=1e-3)
    norms = np.array([record.gradient_norm for record in outcome.log])
    assert outcome.status == "converged"
    assert 1 < len(norms) < 1000
    assert norms[-1] <= 1e-3 * norms[0]
    assert (norms[:-1] > 1e-3 * norms[0]).all()
    assert len(outcome.ideal) == len(outcome.arrivals[0]) == len(norms)
    assert run(name, iterations=len(norms) - 1, stop_at=1e-3).status == "done"


@pytest.mark.parametrize("name", ["uncoded", "lcc-mmc"])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_too_large_a_step_is_refused_with_a_safe_one(name):
    with pytest.raises(Diverged, match=r"--step-size auto is safe") as caught:
        run(name, iterations=1000, step_size="1.0", check_gradient=False)
    safe = str(caught.value).partition("--step-size ")[2].split()[0]
    outcome = run(name, iterations=200, step_size=safe)
    norms = [record.gradient_norm for record in outcome.log]
    assert outcome.start.step == float(safe)
    assert norms[-1] < 0.1 * norms[0]
    assert float(safe) == pytest.approx(1 / outcome.start.problem.lipschitz(), rel=0.06)


def test_transport_is_stopped_whatever_happens():
    class Watched(SimulatedTransport):
        stopped = 0

        def stop(self, timeout):
            self.stopped += 1
            return super().stop(timeout)

    def refuse(_):
        raise RuntimeError("stop here")

    transport = Watched(4)
    setup = prepare(RunConfig(workers=4, data=DATA, transport="simulated"), None)
    with pytest.raises(RuntimeError, match="stop here"):
        job.run(setup, transport, Recorder(refuse))
    assert transport.stopped == 1


# Stragglers


@pytest.fixture
def two_of_six_never_finish(tmp_path):
    times = np.full((3, 6), 0.1)
    times[1, [0, 4]] = np.inf
    np.save(tmp_path / "trace.npy", times)
    return f"trace:{tmp_path / 'trace.npy'}"


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("uncoded", 1),
        ("lcc-mmc", 2),
        ("lcc", 2),
        ("uc-mmc", 1),
        ("uc-mmc-pg", 1),
        ("gc", 2),
        ("mds-mmc", 1),
        ("uc-dynamic", 4),
    ],
)
def test_workers_that_never_finish_are_refused_without_redundancy(
    name, load, two_of_six_never_finish
):
    config = RunConfig(
        scheme=name, workers=6, load=load, delay=two_of_six_never_finish, transport="simulated"
    )
    with pytest.raises(Infeasible, match=r"in iteration 1 .*use a scheme, --load or --wait"):
        prepare(config, None)
    # the iteration in which they never finish is not reached
    assert prepare(
        RunConfig(scheme=name, workers=6, load=load, delay=config.delay, iterations=1), None
    )


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("lcc-mmc", 3),
        ("lcc", 6),
        ("uc-mmc", 3),
        ("lcc-mmc-2", 6),
        ("gc", 3),
        ("gc", 4),
        ("mds-mmc", 2),
        ("uc-dynamic", 12),
    ],
)
def test_workers_that_never_finish_cost_nothing_with_redundancy(
    name, load, two_of_six_never_finish
):
    outcome = run(name, load=load, delay=two_of_six_never_finish, iterations=9)
    np.testing.assert_allclose(completion_times(outcome), outcome.ideal, rtol=1e-12)
    assert largest_error(outcome) <= 1e-6
    assert not np.isfinite(outcome.arrivals[0][[1, 4, 7]][:, [0, 4]]).any()


@pytest.mark.parametrize("factor", [20, 1e6])
def test_a_persistent_straggler_costs_nothing(factor):
    outcome = run("lcc-mmc", workers=4, load=3, delay=f"persistent:ranks=2,factor={factor}")
    # the three others do 3 tasks of 10 ms each: 9 messages of which 7 decode
    np.testing.assert_allclose(completion_times(outcome), 0.03, rtol=1e-9)
    assert [record.messages_used for record in outcome.log] == [7] * 5
    slow = run("uncoded", workers=4, delay=f"persistent:ranks=2,factor={factor}")
    np.testing.assert_allclose(completion_times(slow), 0.01 * factor, rtol=1e-9)


def test_a_guard_that_no_decode_meets_is_an_error(monkeypatch):
    def strict(scheme, _, norms):
        return GuardedDecoder(scheme, 0.5, norms)  # RunConfig refuses less than 1

    monkeypatch.setattr(staging, "GuardedDecoder", strict)
    with pytest.raises(Undecodable, match=r"iteration 0: all messages .*: raise --guard"):
        run("lcc-mmc")


# What is refused before any data are read


REFUSALS = [
    ({"scheme": "lcc-mcc"}, r"unknown scheme 'lcc-mcc' \(did you mean 'lcc-mmc'\?\)"),
    (
        {"objective": "least-square"},
        r"unknown objective 'least-square' \(did you mean 'least-squares'",
    ),
    ({"optimizer": "nestorov"}, r"--optimizer 'nestorov' \(did you mean 'nesterov'\?\)"),
    ({"delay": "non"}, r"unknown delay 'non' \(did you mean 'none'\?\)"),
    ({"delay": "persistent:ranks=7"}, "no worker of rank 7: choose ranks from 1 to 6"),
    ({"load": 7}, "choose --load from 1 to 6"),
    ({"load": 1}, "use --load 2"),
    ({"tolerance": 0.1}, "--tolerance means nothing to lcc-mmc: leave it out"),
]


@pytest.mark.parametrize(("options", "words"), REFUSALS)
def test_what_cannot_be_is_refused_by_prepare(options, words):
    with pytest.raises(UsageError, match=words):
        prepare(RunConfig(**{"workers": 6, "transport": "simulated"} | options), None)


@pytest.mark.parametrize(
    ("given", "started", "words"),
    [
        (None, 0, "only one rank.* mpiexec -n 41 .*--transport simulated"),
        (3, 4, "--workers 3 needs 4 ranks, and mpiexec started 5: leave --workers out"),
    ],
)
def test_numbers_of_workers_that_contradict_each_other(given, started, words):
    with pytest.raises(UsageError, match=words):
        prepare(RunConfig(workers=given), started)


def test_the_number_of_workers():
    assert prepare(RunConfig(workers=None), 5).scheme.workers == 5
    assert prepare(RunConfig(workers=5), 5).scheme.workers == 5
    assert prepare(RunConfig(workers=7), None).scheme.workers == 7
    assert prepare(RunConfig(), None).scheme.workers == 40


def test_the_delays_of_a_run_are_those_of_its_seed():
    setup = prepare(RunConfig(workers=5, seed=3), None)
    expected = delays.create(RunConfig.delay, 3).trace(2, 5, setup.scheme.work)
    np.testing.assert_array_equal(setup.delay.trace(2, 5, setup.scheme.work), expected)


def test_nothing_in_time_at_first_is_neither_divergence_nor_convergence():
    options = {"wait": "deadline:0.03", "p": "0.8", "redundancy": 2, "seed": 10}
    outcome = run("sgc", 3, stop_at=0.5, iterations=30, **options)
    norms = [record.gradient_norm for record in outcome.log]
    assert norms[:2] == [0.0, 0.0]
    assert outcome.status == "converged"
    assert 0 < norms[-1] <= 0.5 * norms[2]
