"""Workers that keep results, and send one sum each at the end of an iteration (`--combine`)."""

from pathlib import Path

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.collecting import OVERDUE_SECONDS
from coded_dgd.engine.protocol import HEADER, Collect
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Undecodable
from coded_dgd.planner import memory
from coded_dgd.planner.costs import Sizes
from coded_dgd.report.table import format_table
from coded_dgd.runs.summarizing import summarize
from coded_dgd.runs.summary import Combining

WORKERS, BLOCKS, COPIES = 6, 18, 3
DATA = "synthetic:rows=61,features=8"
DELAY = "shifted-exponential:mu=10,alpha=0.01"
TOLERANCE = 1e-12


def run(combine="always", transport=None, losses=None, copies=COPIES, **options):
    given = {
        "workers": WORKERS, "blocks": BLOCKS, "iterations": 12, "data": DATA, "delay": DELAY,
        "check_gradient": True, "seed": 4,
    }  # fmt: skip
    scheme = f"uc-dynamic:copies={copies},combine={combine}"
    config = RunConfig(scheme=scheme, transport="simulated", **(given | options))
    transport = transport or SimulatedTransport(WORKERS, losses=losses)
    return job.run(prepare(config, None), transport)


def is_exact(outcome, tolerance=TOLERANCE):
    return max(record.gradient_error for record in outcome.log) < tolerance


def times(outcome):
    return [record.completion_time for record in outcome.log]


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Dense and sparse tables with labels of two and of three classes."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((61, 8)) * (rng.random((61, 8)) < 0.4)
    np.savez("two.npz", X=X, y=np.sign(rng.standard_normal(61)))
    np.savez("three.npz", X=X, y=rng.integers(0, 3, 61).astype(float))
    lines = (
        "1 " + " ".join(f"{j + 1}:{v!r}" for j, v in enumerate(row.tolist()) if v) for row in X
    )
    Path("two.svm").write_text(
        "".join(f"{line}\n" if k % 2 else f"-{line}\n" for k, line in enumerate(lines)),
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, TOLERANCE),
        ({"dtype": "float32"}, 1e-5),
        ({"batch": "20"}, TOLERANCE),
        ({"objective": "logistic", "data": "two.npz"}, TOLERANCE),
        ({"objective": "logistic", "data": "two.npz", "optimizer": "lbfgs"}, TOLERANCE),
        ({"objective": "logistic", "data": "two.npz", "optimizer": "lbfgs", "dtype": "float32"},
         1e-4),
        ({"objective": "logistic", "data": "two.svm"}, TOLERANCE),
        ({"objective": "logistic", "data": "two.svm", "dtype": "float32"}, 1e-4),
        ({"objective": "softmax", "data": "three.npz"}, TOLERANCE),
        ({"optimizer": "cg"}, TOLERANCE),
    ],
)  # fmt: skip
def test_one_payload_per_worker_at_the_same_instants(tables, options, tolerance):
    sums, each = run(**options), run("never", **options)
    assert is_exact(sums, tolerance)
    assert is_exact(each, tolerance)
    assert max(record.messages_used for record in sums.log) <= WORKERS
    assert min(record.messages_used for record in each.log) >= BLOCKS
    if "optimizer" not in options:
        np.testing.assert_allclose(sums.beta, each.beta, rtol=1e3 * tolerance, atol=1e-6)
    np.testing.assert_allclose(times(sums), times(each), rtol=1e-12)
    np.testing.assert_allclose(times(sums), sums.ideal, rtol=1e-12)
    for t, record in enumerate(sums.log):  # arrivals are those of the reports
        arrived = sums.arrivals[0][t]
        assert np.count_nonzero(arrived <= record.completion_time) >= BLOCKS


@pytest.mark.parametrize(
    ("combine", "features", "combines"),
    [("auto", 8191, False), ("auto", 8192, True), ("never", 8192, False), ("always", 8, True)],
)
def test_large_payloads_are_combined_by_default(combine, features, combines):
    data = f"synthetic:rows=18,features={features}"
    outcome = run(combine, data=data, iterations=2, check_gradient=False, step_size="1e-6")
    assert outcome.stages[0].master.group.combines is combines
    assert (outcome.log[0].messages_used <= WORKERS) is combines


@pytest.mark.parametrize(("combine", "sums"), [("always", True), ("auto", False)])
def test_the_summary_says_what_is_sent_and_why(combine, sums):
    outcome = run(combine)
    summary = summarize(outcome, None)
    assert summary.combining == Combining(sums, 64, summary.combining.reason)
    (line,) = (each for each in format_table(summary, outcome).splitlines() if "--combine" in each)
    assert line.startswith("payloads")
    assert line.endswith(
        "one sum of each worker, 64 bytes each (--combine always)"
        if sums
        else "one for each block, 64 bytes each (--combine auto: below 65536 bytes)"
    )


def test_results_that_are_kept_need_memory_on_workers_instead_of_rank_0():
    found = {}
    for combine in ("always", "never"):
        scheme = schemes.create("uc-dynamic", 8, 32, 8, combine=combine)
        sizes = Sizes(1000, 100_000, 1000, 1e6)
        found[combine] = memory.worker(scheme, sizes), memory.master(scheme, sizes, 0.0)
    worker, master = np.subtract(found["always"], found["never"])
    assert worker == pytest.approx(8 * 8 * 100_000, rel=0.3)  # of at least r = 8 blocks
    assert master == 8 * 100_000 * (2 * 8 - (32 + 2 * 8))


@pytest.mark.parametrize("seed", range(8))
def test_the_ideal_knows_that_a_lost_worker_takes_its_results_along(seed):
    rng = np.random.default_rng(seed)
    losses = {int(w): rng.uniform(0.0, 0.5) for w in rng.permutation(WORKERS)[:3]}
    outcome = run(losses=losses, copies=WORKERS, seed=seed)
    assert is_exact(outcome)
    np.testing.assert_allclose(times(outcome), outcome.ideal, rtol=1e-9)


class Accounted(SimulatedTransport):
    """Notes how many numbers each worker sends in each iteration, besides headers."""

    def __init__(self, **options):
        super().__init__(WORKERS, **options)
        self.sent = {}

    def _deliver(self, peer, message):
        key = peer, int(message[1])
        self.sent[key] = self.sent.get(key, 0) + len(message) - HEADER
        super()._deliver(peer, message)


def test_results_stay_on_the_workers_and_no_row_is_kept_for_reports():
    transport = Accounted()
    run(transport=transport)
    assert max(transport.sent.values()) == 8
    payloads = transport.payloads
    assert sorted(payloads._free) == list(range(len(payloads.buffers)))


def instants():
    """Times within and right after the first iterations, at which a worker may be lost."""
    whole = run(iterations=3)
    found = whole.arrivals[0][:2]
    left = np.cumsum([0.0, whole.log[0].completion_time])[:, None, None]
    arrivals = np.unique((found + left)[np.isfinite(found)])
    return np.unique(np.concatenate([arrivals - 1e-6, arrivals, arrivals + 1e-6])).tolist()


@pytest.mark.parametrize("worker", range(WORKERS))
def test_a_worker_may_be_lost_at_any_instant(worker):
    """Before its reports, between them, and after them before it is asked."""
    for instant in instants()[worker % 4 :: 4]:
        outcome = run(losses={worker: instant}, iterations=3)
        assert is_exact(outcome)
        assert outcome.log[-1].workers_live == WORKERS - 1


class Fickle(SimulatedTransport):
    """Something happens when some workers are asked for a sum, once for each.

    The sum may never leave, although the worker lives ("silent") or because it is lost, arrive once
    the worker is known to be lost, or be spoiled.
    """

    def __init__(self, workers, event):
        super().__init__(WORKERS)
        self.fickle, self.event = {*workers}, event
        self.held, self.rounds = [], []

    def tell(self, peer, news):
        if not isinstance(news, Collect):
            super().tell(peer, news)
            return
        self.rounds.append((news.iteration, peer, news.tasks))
        if peer in self.fickle and self.event == "lost":
            self._lose(peer)
        for instant, *held in self.held:
            if instant < self.now:  # a further round
                super()._deliver(*held)
        self.held = [each for each in self.held if each[0] >= self.now]
        super().tell(peer, news)

    def _deliver(self, peer, message):
        if peer not in self.fickle or len(message) == HEADER:
            super()._deliver(peer, message)
            return
        self.fickle.discard(peer)
        if self.event == "silent":
            return
        if self.event == "late":
            self.held.append((self.now, peer, message.copy()))
            self._lose(peer)
            return
        message = message.copy()
        if self.event == "not finite":
            message[-1] = np.inf
        elif self.event == "wrong header":
            message[1] = -1
        super()._deliver(peer, message[:-1] if self.event == "wrong length" else message)


@pytest.mark.parametrize(
    "event", ["lost", "late", "silent", "not finite", "wrong length", "wrong header"]
)
@pytest.mark.parametrize("workers", [(0,), (3,), (1, 4)])
def test_only_the_blocks_of_a_sum_that_is_missing_are_collected_again(event, workers):
    transport = Fickle(workers, event)
    outcome = run(transport=transport)
    assert is_exact(outcome)
    missing = sum(len(tasks) for t, peer, tasks in transport.rounds if not t and peer in workers)
    collected = sum(len(tasks) for t, _, tasks in transport.rounds if not t)
    if event in ("lost", "late"):
        assert outcome.log[0].workers_live == WORKERS - len(workers)
        assert sum(record.wasted_messages for record in outcome.log) == len(workers) * (
            event == "late"
        )
        assert collected == BLOCKS + missing
    elif event == "silent":
        assert outcome.log[0].workers_live == WORKERS
        assert outcome.log[0].completion_time > OVERDUE_SECONDS > outcome.log[1].completion_time
    else:
        assert sum(outcome.refused.values()) == len(workers)
        assert {reason for _, reason in outcome.refused} == {event}
        assert outcome.log[0].workers_live == WORKERS
    assert BLOCKS < collected <= BLOCKS + missing
    last = [tasks for t, _, tasks in transport.rounds if t == 11]
    assert len(last) <= WORKERS
    assert sum(map(len, last)) == BLOCKS


def test_the_only_keeper_of_a_block_cannot_be_lost():
    with pytest.raises(Undecodable):
        run(copies=1, losses={2: 0.05})


@pytest.mark.parametrize("seed", range(12))
def test_an_iteration_that_begins_again_uses_no_sum_of_before(seed):
    outcome = run(
        copies=1, losses={seed % WORKERS: 0.02 * (seed + 1)}, replace=True, seed=seed,
        iterations=20, delay="shifted-exponential:mu=50,alpha=0.005,tasks=independent",
    )  # fmt: skip
    assert len(outcome.log) == 20
    assert is_exact(outcome)


def test_a_replan_combines_as_before():
    outcome = run(copies=1, losses={2: 0.05}, on_loss="replan", blocks=None)
    assert is_exact(outcome)
    assert [stage.master.group.combines for stage in outcome.stages] == [True, True]


def test_a_report_that_arrives_after_the_loss_of_its_worker_counts_for_nothing():
    """Nobody can send the result any more, though the block is unfinished elsewhere, too."""

    class Held(SimulatedTransport):
        held = None

        def _deliver(self, peer, message):
            if peer == 3 and self.held is None:
                self.held = message
                self._lose(peer)
                return
            super()._deliver(peer, message)
            if self.held is not None and len(self.held):
                super()._deliver(3, self.held)
                self.held = self.held[:0]

    outcome = run(transport=Held(WORKERS), delay="persistent:ranks=1,factor=5")
    assert is_exact(outcome)
    assert outcome.log[-1].workers_live == WORKERS - 1


@pytest.mark.parametrize("event", ["late", "not finite"])
def test_sums_of_earlier_iterations_are_wasted(event):
    """A sum comes again in the next iteration."""

    class Again(SimulatedTransport):
        held = None

        def _deliver(self, peer, message):
            super()._deliver(peer, message)
            if len(message) > HEADER and message[1] == 2 and self.held is None:
                self.held = message.copy()
                if event == "not finite":
                    self.held[-1] = np.nan
            elif self.held is not None and len(self.held) and message[1] == 3:
                held, self.held = self.held, self.held[:0]
                super()._deliver(peer, held)

    outcome = run(transport=Again(WORKERS))
    assert is_exact(outcome)
    assert sum(record.wasted_messages for record in outcome.log) == 1
    assert not outcome.refused
