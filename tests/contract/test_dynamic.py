"""Schemes that decide while an iteration runs, and schemes that use late messages."""

import itertools
from pathlib import Path

import numpy as np
import own_dynamic
import own_stale
import pytest

from coded_dgd import delays
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, Undecodable
from coded_dgd.report.table import format_table
from coded_dgd.runs.summarizing import summarize
from coded_dgd.scheduling.virtual import VirtualWorkers
from coded_dgd.theory import predict

DYNAMIC, STALE = "own_dynamic:TakeNext", "own_stale:Newest:fresh=3"
WORKERS, BLOCKS, LOAD = 6, 18, 9
DATA = "synthetic:rows=61,features=8"
SLOW = "persistent:ranks=1,3,factor=20"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)


def run(scheme=DYNAMIC, losses=None, **options):
    given = {
        "workers": WORKERS, "blocks": BLOCKS, "load": LOAD, "iterations": 20, "data": DATA,
        "check_gradient": True, "seed": 4,
    }  # fmt: skip
    config = RunConfig(scheme=scheme, transport="simulated", **(given | options))
    return job.run(prepare(config, None), SimulatedTransport(WORKERS, losses=losses))


def virtual(delay, iterations):
    """Completion times by a replay apart from the engine."""
    scheme, model = own_dynamic.TakeNext("own", WORKERS, BLOCKS, LOAD), delays.create(delay, 4)
    workers, times = VirtualWorkers(scheme), []
    for t in range(iterations):
        finish = [model.finish_times(t, w, scheme.work) for w in range(WORKERS)]
        times.append(workers.run(np.array(finish)).completion_time)
    return times


@pytest.mark.parametrize("delay", ["shifted-exponential:mu=10,alpha=0.01", SLOW])
@pytest.mark.parametrize("options", [{}, {"objective": "logistic", "data": "signs.npz"}])
def test_gradients_are_exact_and_times_are_those_of_the_events(
    tmp_path, monkeypatch, delay, options
):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("signs.npz", X=rng.standard_normal((61, 8)), y=np.sign(rng.standard_normal(61)))
    outcome = run(delay=delay, **options)
    assert max(record.gradient_error for record in outcome.log) < 1e-12
    found = [record.completion_time for record in outcome.log]
    np.testing.assert_allclose(found, virtual(delay, 20), rtol=1e-12)
    np.testing.assert_allclose(outcome.ideal, found, rtol=1e-12)


def test_fewer_seconds_than_fixed_tasks_on_the_same_delays():
    delay = "shifted-exponential:mu=10,alpha=0.01,tasks=independent"
    dynamic, fixed = run(delay=delay), run("uc-mmc", delay=delay)
    mean = [np.mean([each.completion_time for each in outcome.log]) for outcome in (dynamic, fixed)]
    assert mean[0] < 0.9 * mean[1]


def test_losses_are_survived_while_a_block_has_a_holder():
    outcome = run(losses={0: 0.05, 4: 0.3}, delay="shifted-exponential:mu=10,alpha=0.01")
    assert max(record.gradient_error for record in outcome.log) < 1e-12
    assert outcome.log[-1].workers_live == 4
    with pytest.raises(Undecodable):
        run(losses=dict.fromkeys(range(3), 0.05), load=6, blocks=18)


def test_what_computes_times_in_advance_refuses_it_in_one_line():
    scheme = own_dynamic.TakeNext("own", WORKERS, BLOCKS, LOAD)
    with pytest.raises(Infeasible, match="own decides on tasks while an iteration runs"):
        scheme.message_times(np.ones((WORKERS, LOAD)))


@pytest.mark.parametrize("name", [DYNAMIC, "uc-dynamic"])
def test_a_run_takes_the_time_that_is_predicted(name):
    outcome = run(name, delay="shifted-exponential:mu=10,alpha=0.01", iterations=200)
    found = predict(outcome.setup.scheme, outcome.setup.delay, realisations=1000)
    times = np.array([record.completion_time for record in outcome.log])
    error = np.hypot(times.std() / np.sqrt(len(times)), found.standard_error)
    assert abs(times.mean() - found.mean) < 4 * error
    used = np.mean([record.messages_used for record in outcome.log])
    assert used == pytest.approx(found.communication_load, rel=0.02)


@pytest.mark.parametrize(
    "delay", ["shifted-exponential:mu=10,alpha=0.01", "pareto:shape=2.2,scale=0.06"]
)
def test_late_messages_count_until_they_are_too_old(delay):
    outcome = run(STALE, delay=delay, iterations=30, step_size="0.002")
    scheme, problem = outcome.setup.scheme, outcome.start.problem
    assert isinstance(scheme, own_stale.Newest)
    X, y = problem.source.read(0, problem.source.rows)
    bounds = [worker * len(y) // WORKERS for worker in range(WORKERS + 1)]
    arrivals, left, points, beta = outcome.arrivals[0][:, :, 0], [0.0], [], np.zeros(8)
    used_late = 0
    for t, record in enumerate(outcome.log):
        points.append(beta)
        now = left[t] + record.completion_time
        gradient = np.zeros(8)
        for worker, (a, b) in enumerate(itertools.pairwise(bounds)):
            came = [
                s for s in range(max(0, t - 3), t + 1)
                if arrivals[s, worker] + left[s] <= now + 1e-12
            ]  # fmt: skip
            if came:
                gradient += X[a:b].T @ (X[a:b] @ points[came[-1]] - y[a:b])
                used_late += came[-1] < t
        beta = beta - 0.002 * gradient
        left.append(now)
        assert record.messages_used >= 3
    np.testing.assert_allclose(outcome.beta, beta, rtol=1e-10)
    assert used_late > 5


class Spoiling(SimulatedTransport):
    """Spoils the first messages of one worker: `spoil` is called with each."""

    spoil, left = None, 2

    def _deliver(self, peer, message):
        if peer == 0 and self.left and self.spoil is not None:
            message = message.copy()
            self.left -= self.spoil(message)
        super()._deliver(peer, message)


def spoiled(spoil, scheme, **options):
    given = {"workers": WORKERS, "blocks": BLOCKS, "load": LOAD, "iterations": 20, "data": DATA}
    config = RunConfig(scheme=scheme, transport="simulated", seed=4, **(given | options))
    transport = Spoiling(WORKERS)
    transport.spoil = spoil
    return job.run(prepare(config, None), transport)


def make_nan(message):
    message[-1] = np.nan
    return True


def test_a_worker_whose_messages_are_refused_gets_further_tasks():
    delay = "persistent:ranks=2,3,4,5,6,factor=1000"
    outcome = spoiled(make_nan, DYNAMIC, delay=delay, check_gradient=True, iterations=3)
    assert sum(outcome.refused.values()) == 2
    assert max(record.gradient_error for record in outcome.log) < 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_an_iteration_that_begins_again_gets_all_its_tasks(seed):
    outcome = run(
        blocks=BLOCKS, load=3, losses={seed % WORKERS: 0.02 * (seed + 1)}, replace=True, seed=seed,
        delay="shifted-exponential:mu=50,alpha=0.005,tasks=independent",
    )  # fmt: skip
    assert len(outcome.log) == 20
    assert max(record.gradient_error for record in outcome.log) < 1e-12


@pytest.mark.parametrize("reason", ["not finite", "wrong length"])
def test_late_messages_are_checked_before_they_are_used(reason):
    """Held back for an iteration, and spoiled."""

    class Late(Spoiling):
        held = None

        def _deliver(self, peer, message):
            if peer == 5 and self.held is None and message[1] == 2:
                self.held = message.copy()
                if reason == "not finite":
                    self.held[-1] = np.nan
                else:
                    self.held = self.held[:-1]
                return
            super()._deliver(peer, message)
            if self.held is not None and len(self.held) and message[1] == 3:
                SimulatedTransport._deliver(self, 5, self.held)
                self.held = self.held[:0]

    config = RunConfig(
        scheme=STALE, transport="simulated", workers=WORKERS, iterations=8, data=DATA,
        delay="none", step_size="0.002",
    )  # fmt: skip
    outcome = job.run(prepare(config, None), Late(WORKERS))
    assert dict(outcome.refused) == {(5, reason): 1}
    assert np.isfinite(outcome.beta).all()


def test_a_summary_tells_of_words_results_and_own_tasks():
    outcome = run("uc-dynamic", delay="persistent:ranks=2,factor=5", load=9, iterations=30)
    summary, log = summarize(outcome, None), outcome.log
    assert summary.words == np.mean([record.words for record in log]) > 0
    sent = sum(report.results for report in outcome.ending.reports)
    assert summary.task_results * len(log) == pytest.approx(sent)
    assert sum(summary.own_tasks) == BLOCKS
    assert summary.own_tasks[1] <= 1  # of the slow worker
    table = format_table(summary, outcome)
    assert f"{summary.words:.1f} words to workers" in table
    assert f"{summary.own_tasks[1]} to {max(summary.own_tasks)} of a worker, at the end" in table
    equal = run("uc-dynamic", shares="equal", iterations=2)
    assert " 3 of each worker, at the end" in format_table(summarize(equal, None), equal)
    fixed = summarize(run("uc-mmc", iterations=2), None)
    assert fixed.words is fixed.task_results is fixed.own_tasks is None
