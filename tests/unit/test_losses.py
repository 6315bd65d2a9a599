"""Workers that are lost: what goes on, what is exact, what is refused, in virtual time."""

import numpy as np
import pytest
from observing import Recorder

from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.losses import TooFewWorkers, ranks
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport


def run(name, losses, workers=6, peers=None, **options):
    options = {"iterations": 20, "data": "synthetic:rows=61,features=8"} | options
    config = RunConfig(
        scheme=name, workers=workers, transport="simulated", check_gradient=True, **options
    )
    said = Recorder()
    outcome = job.run(
        prepare(config, None),
        SimulatedTransport(peers or workers, losses=losses),
        said,
    )
    return outcome, said.lines


def completion(outcome):
    return [record.completion_time for record in outcome.log]


def largest_error(outcome):
    return max(record.gradient_error for record in outcome.log)


@pytest.mark.parametrize(
    ("name", "load", "losses"),
    [
        ("gc", 3, {0: 0.3, 5: 0.9}),  # s = r - 1
        ("uc-mmc", 3, {1: 0.3, 2: 0.9}),
        ("lcc", 3, {0: 0.0, 4: 0.5, 2: 1.0}),
        ("lcc-mmc", 6, {0: 0.0, 1: 0.2, 2: 0.4, 5: 0.6}),
        ("mds-mmc", 6, {0: 0.0, 1: 0.2, 2: 0.4, 3: 0.5, 5: 0.6}),
    ],
)
def test_what_the_code_can_spare_is_not_missed(name, load, losses):
    outcome, said = run(name, losses, load=load)
    assert len(outcome.log) == 20
    assert sorted(report.peer for report in outcome.losses) == sorted(losses)
    assert largest_error(outcome) <= 1e-9
    # in the ideal they are missing too, from the instant of their loss on
    np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-9)
    assert len(said) == len(losses)


@pytest.mark.parametrize(("name", "load"), [("uncoded", 1), ("uc-mmc", 2), ("gc", 2), ("lcc", 2)])
def test_one_more_is_too_many(name, load):
    spared = {"uncoded": 0, "uc-mmc": 1, "gc": 1, "lcc": 1}[name]
    losses = dict.fromkeys(range(spared + 1), 0.5)
    with pytest.raises(
        TooFewWorkers, match=r"^iteration \d+ cannot be decoded any more: "
    ) as error:
        run(name, losses, load=load)
    assert error.value.exit_code == 4
    for mend in ("--on-loss replan", "--spare", "--replace"):
        assert mend in str(error.value)


@pytest.mark.parametrize("name", ["uncoded", "uc-mmc", "gc", "lcc", "lcc-mmc", "mds-mmc"])
def test_replanning_goes_on_exactly_with_those_that_live(name):
    losses = {0: 0.3, 3: 0.31, 4: 0.9, 1: 2.0}
    outcome, said = run(name, losses, load=None if name == "uncoded" else 2, on_loss="replan")
    assert len(outcome.log) == 20
    assert largest_error(outcome) <= 1e-9
    workers = [stage.scheme.workers for stage in outcome.stages]
    assert len(workers) > 1
    assert workers[0] == 6
    assert workers == sorted(workers, reverse=True)
    assert workers[-1] >= 2
    assert sum("from iteration" in line for line in said) == len(workers) - 1
    assert [len(arrivals) for arrivals in outcome.arrivals] == np.diff(
        [*(stage.first for stage in outcome.stages), 20]
    ).tolist()
    healthy, _ = run(name, {}, load=None if name == "uncoded" else 2)
    np.testing.assert_allclose(outcome.beta, healthy.beta, rtol=1e-9)


def test_there_is_no_plan_without_workers():
    with pytest.raises(TooFewWorkers, match="there is no other plan"):
        run("uncoded", dict.fromkeys(range(6), 0.5), on_loss="replan")


def test_a_guard_that_the_living_cannot_meet_is_a_reason_for_another_plan():
    losses = dict.fromkeys(range(3), 0.5)
    with pytest.raises(TooFewWorkers, match=r"amplifies errors by 3.*guard.*--on-loss replan"):
        run("lcc-mmc", losses, workers=8, load=3, guard=2.0)
    outcome, _ = run("lcc-mmc", losses, workers=8, load=3, guard=2.0, on_loss="replan")
    assert len(outcome.stages) == 2
    assert largest_error(outcome) <= 1e-12
    assert max(record.error_amplification for record in outcome.log) <= 2.0


def test_a_spare_takes_the_place_of_a_lost_worker():
    outcome, said = run("uncoded", {2: 0.5}, peers=7)
    assert len(outcome.stages) == 1
    assert largest_error(outcome) <= 1e-12
    assert "rank 7 in the place of worker 3" in said
    healthy, _ = run("uncoded", {})
    np.testing.assert_array_equal(outcome.beta, healthy.beta)


def test_a_new_worker_is_started_for_each_lost_one():
    outcome, _ = run("uncoded", {0: 0.5, 1: 0.5, 5: 1.5}, replace=True)
    assert len(outcome.losses) == 3
    assert outcome.stages[0].master.group.members == [6, 7, 2, 3, 4, 8]
    healthy, _ = run("uncoded", {})
    np.testing.assert_array_equal(outcome.beta, healthy.beta)


@pytest.mark.parametrize("name", ["sgc", "bgc", "ignore-stragglers", "sgc-send-all"])
@pytest.mark.parametrize("wait", ["all", "fastest:4", "deadline:0.1"])
def test_stochastic_schemes_go_on_with_whoever_is_left(name, wait):
    outcome, _ = run(name, {0: 0.3, 1: 0.3, 2: 0.3}, wait=wait, p="0.5")
    assert len(outcome.log) == 20
    np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-9)
    if wait == "all":
        assert {record.messages_used > 0 for record in outcome.log} == {True}


def test_the_last_that_is_waited_for_may_be_lost():
    """The loss itself makes the gradient complete: no message will come after it."""
    outcome, _ = run("sgc", {2: 0.4}, delay="persistent:ranks=3,factor=50,mu=100,alpha=0.01")
    assert len(outcome.log) == 20
    first = outcome.log[0]
    assert (first.completion_time, first.messages_used) == (0.4, 5)
    np.testing.assert_allclose(completion(outcome), outcome.ideal, rtol=1e-9)


def test_numbers_are_written_shortly():
    assert ranks([3, 1, 2, 7, 9, 10]) == "1-3, 7, 9-10"
    assert ranks([5]) == "5"


def test_a_failure_that_is_only_heard_of_at_the_end_is_told_too():
    class LastWord(SimulatedTransport):
        def stop(self, timeout):
            reports, drained = super().stop(timeout)
            reports[2] = reports[2]._replace(failure="planted", traceback="where")
            return reports, drained

    config = RunConfig(scheme="uc-mmc", workers=6, transport="simulated", iterations=2)
    said = Recorder()
    outcome = job.run(prepare(config, None), LastWord(6), said)
    assert [report.peer for report in outcome.losses] == [2]
    assert said.lines == ["rank 3 on simulated failed in iteration 1: planted"]
    assert said.details == ["where"]
