"""Plans with schemes that decide on tasks while an iteration runs."""

import json

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.advising import measuring
from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.planner import memory
from coded_dgd.planner.candidates import candidates
from coded_dgd.planner.costs import Sizes, iteration
from coded_dgd.planner.judging import Judge, Limits
from coded_dgd.planner.measurements import Measurements, Network, Speed
from coded_dgd.planner.observations import TaskTimes
from coded_dgd.planner.outcomes import outcomes, with_messages
from coded_dgd.planner.planning import make_plan
from coded_dgd.planner.record import replay, to_json
from coded_dgd.problems import objectives
from coded_dgd.problems.sources import open_source
from coded_dgd.scheduling.virtual import WARM_UP, VirtualWorkers
from coded_dgd.theory import predict

WORKERS = 8
LAW = "shifted-exponential:mu=10,alpha=0.01"
IDEAL = Network((1, 20), (0.0, 0.0), (0.0, 0.0), 0.0, 0.0)
SIZES = Sizes(400, 20, 400, 1e6)


def measurements(network=IDEAL, delay=LAW, hosts=()):
    finish = delays.create(delay, 7).trace(30, WORKERS, np.array([1.0, 2.0]))
    finish += network.latency_of(20)
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((30, WORKERS), np.inf))
    return Measurements(times, 1e-5, network, Speed(1e-10, 3e-11), hosts)


def fine(copies="3", **options):
    return schemes.create("uc-dynamic", WORKERS, copies=copies, **options)


def plan(network=IDEAL, hosts=(), limits=None, loads=None, **options):
    config = RunConfig(scheme="auto", delay=LAW, data="synthetic:rows=400,features=20", **options)
    return make_plan(
        measurements(network, hosts=hosts), config, open_source(config.data, 0), WORKERS,
        limits or Limits(), data_bytes=1e8, injected=True, names=["uncoded", "uc-dynamic"],
        loads=loads,
    )  # fmt: skip


def options_of(plan):
    every = [each.candidate for each in plan.entries if each.candidate.name == "uc-dynamic"]
    return sorted((each.options for each in every), key=str)


@pytest.mark.parametrize("copies", ["1", "3", "all"])
@pytest.mark.parametrize("delay", [LAW, "persistent:ranks=1,2,factor=5"])
def test_without_a_network_an_iteration_takes_what_theory_says(copies, delay):
    scheme, model = fine(copies), delays.create(delay, 0)
    found = iteration(scheme, model, measurements(), SIZES, injected=True)
    expected = predict(scheme, model, realisations=2000)
    error = np.hypot(found.standard_error, expected.standard_error)
    assert abs(found.ideal - expected.mean) < 4 * error + 1e-12
    assert found.completion == found.ideal
    assert (found.communication, found.guard) == (0, 0)
    assert found.messages == pytest.approx(expected.communication_load, rel=0.05)


def test_few_replays_and_many_draws_tell_the_mean():
    scheme, model = fine("all"), delays.create(LAW, 0)
    expected = predict(scheme, model, realisations=1000)
    drawn = [
        with_messages(scheme, model, np.random.default_rng(seed), 256, IDEAL, 20)
        for seed in range(12)
    ]
    means = np.array([each.real.completion.mean() for each in drawn])
    errors = np.array([each.standard_error for each in drawn])
    assert (np.abs(means - expected.mean) < 4 * np.hypot(errors, expected.standard_error)).all()
    plain = expected.std / np.sqrt(len(drawn[0].real.completion))
    assert (errors < 0.75 * plain).all()


def test_messages_queue_at_rank_0_and_reach_it_late():
    """Two workers end a block of 1 s at the same times; each message takes 0.1 + 0.25 s."""
    scheme = schemes.create("uc-dynamic", 2, 8, copies="1", shares="equal")
    finish = np.array([[1.0, 2.0, 3.0, 4.0]] * 2)
    found = VirtualWorkers(scheme, message=0.1, service=0.25).run(finish)
    assert found.completion_time == pytest.approx(4 + 0.1 + 2 * 0.25)
    assert len(found.order) == 8
    slow = VirtualWorkers(scheme, service=2.0).run(finish)  # the port is the bottleneck
    assert slow.completion_time == pytest.approx(1 + 8 * 2.0)
    assert VirtualWorkers(scheme).run(finish).completion_time == 4


def test_what_messages_cost_is_the_latency_and_the_work_of_rank_0(monkeypatch):
    network = Network((1, 20), (4e-3, 4e-3), (1e-4, 1e-4))
    scheme, model = fine(), delays.create(LAW, 0)
    found = iteration(scheme, model, measurements(network), SIZES, injected=True)
    assert 4e-3 < found.communication < 4 * 4e-3  # workers also wait for words
    monkeypatch.setattr("coded_dgd.planner.outcomes.decision_seconds", lambda _: 1e-3)
    slower = iteration(scheme, model, measurements(network), SIZES, injected=True)
    assert slower.communication > found.communication + 1e-3


@pytest.mark.parametrize(
    "delay",
    ["persistent:ranks=1,2,factor=3", "additive:overhead=0.001,alpha=0.01,mu=1000,spread=0.5"],
)
def test_what_tasks_alone_take_is_the_same_over_every_network(delay):
    """Late messages make speeds look alike, so that shares by speeds learnt from them differ."""
    scheme, model = fine(), delays.create(delay, 0)
    slow = Network((1, 20), (0.1, 0.1), (1e-4, 1e-4))
    without, late = (
        iteration(scheme, model, measurements(network), SIZES, injected=True)
        for network in (IDEAL, slow)
    )
    assert late.ideal == without.ideal
    assert late.completion > without.completion + 0.1


def test_of_sums_rank_0_receives_one_from_each_worker():
    network = Network((1, 20), (1e-3, 50e-3), (1e-5, 5e-3))
    model = delays.create(LAW, 0)
    single, sums = (
        iteration(fine(combine=each), model, measurements(network), SIZES, injected=True)
        for each in ("never", "always")
    )
    short = iteration(
        fine(), model, measurements(Network((1, 20), (1e-3,) * 2, (1e-5,) * 2)), SIZES,
        injected=True,
    )  # fmt: skip
    collecting = 50e-3 + (WORKERS - 1) * 5e-3
    assert sums.completion == pytest.approx(short.completion + collecting)
    assert sums.completion < single.completion
    assert sums.messages == WORKERS
    assert sums.bytes == WORKERS * 8 * 20
    assert single.bytes >= 4 * WORKERS * 8 * 20


def test_tasks_that_are_held_up_on_shared_cores_end_as_early():
    """The first of four own blocks ends after 5/8 of their time instead of 1/4."""
    scheme, model = fine(), delays.create("shifted-exponential:mu=inf,alpha=0.1", 0)
    free, held_up = (
        iteration(scheme, model, measurements(), SIZES, injected=False, held_up=each)
        for each in (None, 0.5)
    )
    assert free.completion == pytest.approx(0.1)
    assert held_up.completion == pytest.approx(0.1)


def test_numbers_of_copies_are_tried():
    usual = [each for each in options_of(plan()) if each.keys() == {"copies"}]
    assert usual == [{"copies": c} for c in "123468"]
    assert {each["copies"] for each in options_of(plan(copies="5"))} == {"5"}
    assert options_of(plan(load=12)) == [{"load": 12}]
    assert options_of(plan(loads=[4, 12])) == [{"load": 12}, {"load": 4}]
    assert options_of(plan(blocks=16)) == [{"blocks": 16, "copies": c} for c in "123468"]


def test_numbers_of_copies_up_to_the_default_are_tried():
    found = candidates(
        40, None, range(1, 21), objectives.create("least-squares"), 100, np.ones,
        names=["uc-dynamic"],
    )  # fmt: skip
    assert [each.options["copies"] for each in found] == ["1", "2", "3", "4", "6", "10"]


def test_the_fastest_is_chosen_and_the_command_runs_it():
    found = plan()
    choice = found.choice.candidate
    assert choice.name == "uc-dynamic"
    assert int(choice.options["copies"]) >= 4
    config = found.configured(found.choice)
    assert (config.scheme, config.copies, config.load) == (
        "uc-dynamic", choice.options["copies"], None,
    )  # fmt: skip
    assert found.choice.iteration.total < 0.4 * found.finalists[1].iteration.total


def test_a_plan_is_replayed_from_its_record():
    network = Network((1, 20), (1e-3, 1e-3), (1e-4, 1e-4), 0.0, 0.0)
    first = plan(network)
    record = json.loads(json.dumps(to_json(first), allow_nan=False))
    assert record["inputs"]["loads"] is None
    second = replay(record)
    assert [e.candidate.arguments for e in second.entries] == [
        e.candidate.arguments for e in first.entries
    ]
    assert second.choice.iteration == first.choice.iteration
    assert to_json(plan(loads=[8]))["inputs"]["loads"] == [8]


def test_without_a_worker_one_copy_is_too_few():
    few, more = (
        outcomes(fine(each), delays.create(LAW, 0), np.random.default_rng(0), 64, without_one=True)
        for each in "12"
    )
    assert np.isinf(few.completion).all()
    assert np.isfinite(more.completion).all()
    count = len(more.arrived)
    silent = [k * WORKERS // count for k in range(count)]
    assert set(silent) == set(range(WORKERS))
    assert not more.arrived[np.arange(count), silent].any()


def test_what_has_arrived_suffices():
    scheme = fine()
    found = outcomes(scheme, delays.create(LAW, 0), np.random.default_rng(0), 16)
    assert len(found.arrived) == len(found.completion)
    assert all(scheme.is_decodable(pattern) for pattern in found.arrived)
    assert (found.arrived.sum(axis=(1, 2)) >= scheme.blocks).all()


def test_an_approximate_dynamic_scheme_is_judged_like_others():
    class Approximate(type(fine())):
        exact = False

    scheme = Approximate("approximate", WORKERS, 4 * WORKERS, 12)
    judge = Judge(measurements(), plan().fits[0], SIZES, Limits(), 1e8, injected=True, weights=None)
    from coded_dgd.planner.candidates import Candidate

    entry = judge.first(Candidate("approximate", {}, scheme))
    assert entry.refusal is None
    assert judge.arrivals(entry).shape[1:] == scheme.expected.shape


def test_warm_up_iterations_do_not_count():
    scheme, model = fine(), delays.create(LAW, 0)
    finish = model.sample(np.random.default_rng(0), WARM_UP + 3, WORKERS, scheme.work)
    found = VirtualWorkers(scheme).run_settled(finish)
    workers = VirtualWorkers(scheme)
    assert [workers.run(each) for each in finish][WARM_UP:] == found


# Memory


def test_rank_0_holds_one_payload_of_each_block():
    sizes = Sizes(400, 20, 400, 1e6, parameters=1_000_000)
    least, some, every = (
        memory.master(scheme, sizes, 0.0)
        for scheme in (
            schemes.create("uncoded", WORKERS),
            *(fine(each, combine="never") for each in ("2", "all")),
        )
    )
    payload = 8e6
    assert some - least == pytest.approx((4 * WORKERS + 2 * WORKERS - WORKERS) * payload, rel=0.01)
    assert every == pytest.approx(some, rel=0.01)


def test_workers_of_a_host_hold_each_block_once():
    sizes = Sizes(400_000, 50, 2000, 1e6)
    scheme = fine("all")
    alone = memory.worker(scheme, sizes)
    groups = memory.groups(scheme, sizes, ("a",) * 4 + ("b",) * 4)
    data = 8.0 * 400_000 * 51
    assert [len(group.blocks) for group in groups] == [4 * WORKERS] * 2
    together = memory.worker(scheme, sizes, groups)
    assert alone - together == pytest.approx(0.75 * data, rel=0.1)
    assert memory.groups(scheme, sizes, ()) == []
    assert memory.groups(schemes.create("lcc-mmc", WORKERS), sizes, ("a",) * WORKERS) == []
    separate = Sizes(400_000, 50, 2000, 1e6, share_blocks=False)
    assert memory.groups(scheme, separate, ("a",) * WORKERS) == []
    found = plan(hosts=("a",) * WORKERS, copies="8").entries
    plain = plan(copies="8", share_blocks=False, hosts=("a",) * WORKERS).entries
    memories = [
        next(each.worker_memory for each in every if each.candidate.name == "uc-dynamic")
        for every in (found, plain)
    ]
    assert memories[0] <= memories[1]


# Measurements of runs


def test_a_run_tells_of_task_times_whichever_tasks_workers_have_done(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--transport", "simulated", "--workers", "8", "--data",
                 "synthetic:rows=80,features=4", "--delay", LAW, "--iterations", "60"]  # fmt: skip
    run = ["run", "--scheme", "uc-dynamic", "--copies", "4", "--blocks", "8", "--out", "run"]
    assert run_command_line([*run, *arguments, "--quiet"]) == 0
    capsys.readouterr()
    measured, config, workers = measuring.measured_by_run(tmp_path / "run")
    assert (config.scheme, workers) == ("uc-dynamic", 8)
    known = measured.times.shared()
    model, per_task = delays.create(LAW, 0), known.seconds[known.known]
    drawn = np.array([model.finish_times(t, w, np.ones(1)) for t in range(60) for w in range(8)])
    drawn = drawn.reshape(60, 8)[known.known]
    # but for time that a worker has waited, or has spent on a task that was broken off
    assert (per_task >= drawn * (1 - 1e-9)).all()
    assert np.mean(per_task <= drawn * (1 + 1e-9)) > 0.8


def test_under_other_laws_times_change_like_those_of_work_split_by_speed():
    found = plan(copies="4")
    judge = Judge(measurements(), found.fits[0], SIZES, Limits(), 1e8, injected=True, weights=None)
    entry = judge.first(found.choice.candidate)
    model = delays.create(LAW, 0)
    judge.delay, judge._redrawn[:1] = (
        model,
        [delays.create("shifted-exponential:mu=5,alpha=0.02", 0)],
    )
    redrawn = judge.redrawn(entry, 0)
    assert redrawn.ideal == pytest.approx(2 * entry.iteration.ideal)
    assert redrawn.completion == pytest.approx(2 * entry.iteration.completion)
    assert redrawn.messages == entry.iteration.messages
    assert 0 < found.choice.uncertainty < found.choice.iteration.total
