"""Plans: costs against theory and against runs, constraints, records, the command."""

import json
from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from coded_dgd import delays, schemes
from coded_dgd.advising.probe import WHOLE, probe
from coded_dgd.cli import run_command_line
from coded_dgd.cli.plan import parse_bytes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.planner import loading, memory
from coded_dgd.planner.candidates import candidates
from coded_dgd.planner.contention import share_cores
from coded_dgd.planner.costs import Sizes, iteration, once
from coded_dgd.planner.fitting import fit, unit_of_work
from coded_dgd.planner.judging import Limits
from coded_dgd.planner.measurements import Measurements, Network, Speed
from coded_dgd.planner.observations import TaskTimes
from coded_dgd.planner.planning import make_plan
from coded_dgd.planner.port import Port
from coded_dgd.planner.record import replay, to_json
from coded_dgd.problems import objectives
from coded_dgd.problems.sources import open_source
from coded_dgd.report.plan import command, format_plan, why
from coded_dgd.theory import predict

WORKERS = 8
PAPER = "shifted-exponential:mu=10,alpha=0.01"
DATA = "synthetic:rows=400,features=20"
SPEED = Speed(1e-10, 3e-11)
IDEAL = Network((1, 20), (0.0, 0.0), (0.0, 0.0), 0.0, 0.0)
SIZES = Sizes(400, 20, 400, 1e6)


def measurements(delay=PAPER, network=IDEAL, workers=WORKERS, iterations=30):
    finish = delays.create(delay, 7).trace(iterations, workers, np.array([1.0, 2.0]))
    finish += network.latency_of(20)
    times = TaskTimes(finish, np.tile([1, 2], (workers, 1)), np.full((iterations, workers), np.inf))
    return Measurements(times, 1e-5, network, SPEED)


def plan(delay=PAPER, network=IDEAL, limits=None, **options):
    given = {"names": None, "loads": None, "injected": True, "optimizer_names": None}
    given |= {key: options.pop(key) for key in given.keys() & options.keys()}
    config = RunConfig(scheme="auto", delay=delay, data=DATA, **options)
    source = open_source(config.data, config.seed)
    found = limits or Limits()
    return make_plan(
        measurements(delay, network), config, source, WORKERS, found, data_bytes=1e8, **given
    )


def name_of(plan):
    return plan.choice.candidate.name


@pytest.mark.parametrize("name", ["uncoded", "gc", "lcc", "lcc-mmc", "uc-mmc", "mds-mmc"])
def test_without_a_network_an_iteration_takes_what_theory_says(name):
    delay = delays.create(PAPER, 0)
    scheme = schemes.create(name, WORKERS, load=4 if name != "uncoded" else None)
    found = iteration(
        scheme, delay, measurements(), SIZES, injected=True, realisations=20_000, replays=4
    )
    expected = predict(scheme, delay)
    assert found.ideal == pytest.approx(expected.mean, rel=0.02)
    assert found.communication == 0
    assert found.messages == pytest.approx(expected.communication_load, rel=0.02)


def test_messages_are_taken_in_one_at_a_time():
    times = np.array([[[0.0, 5.0], [0.0, 5.5], [1.0, np.inf]]])
    at = Port(times, 1.0).received()
    assert sorted(at[0, :, 0]) == [1.0, 2.0, 3.0]
    assert at[0, 2, 0] == 3.0
    assert at[0, :2, 1].tolist() == [6.0, 7.0]
    assert at[0, 2, 1] == np.inf


def test_the_port_of_the_master_as_a_bottleneck():
    """Tasks that take no time: the messages needed, one after the other."""
    delay = delays.create("shifted-exponential:mu=inf,alpha=1e-9", 0)
    network = Network((1, 20), (0.012, 0.012), (0.01, 0.01), 0.0, 0.0)
    for name, needed in (("uncoded", 8), ("uc-mmc", 8)):
        scheme = schemes.create(name, WORKERS, load=None if name == "uncoded" else 1)
        found = iteration(scheme, delay, measurements(network=network), SIZES, injected=True)
        assert found.completion == pytest.approx(0.002 + 0.01 * needed, rel=1e-3)
        assert found.messages == pytest.approx(needed)


def test_messages_that_are_not_used_hold_up_the_next_iteration():
    """All M r of them are at the port before the next point is there."""
    delay = delays.create("shifted-exponential:mu=inf,alpha=1e-9", 0)
    network = Network((1, 20), (0.012, 0.012), (0.01, 0.01), 0.0, 0.0)
    for name, load in (("lcc-mmc", 4), ("gc", 4), ("uc-mmc", 2)):
        scheme = schemes.create(name, WORKERS, load=load)
        found = iteration(scheme, delay, measurements(network=network), SIZES, injected=True)
        sent = int(scheme.expected.sum())
        assert found.completion == pytest.approx(0.01 * sent, rel=0.02)


def test_short_payloads_cost_less():
    network = Network((1, 20), (0.001, 0.003), (0.001, 0.004), 0.0, 0.0)
    assert network.latency_of(1) == 0.001
    assert network.latency_of(20) == 0.003
    assert network.service_of(10.5) == pytest.approx(0.0025)
    assert network.service_of(39) == pytest.approx(0.007)


def test_the_best_in_virtual_time_is_recommended():
    """Every finalist is run; the recommended one is the fastest within the uncertainty."""
    found = plan(iterations=60)
    delay = delays.create(found.config.delay, 99)
    measured = {
        entry.candidate.name: predict(entry.candidate.scheme, delay).mean
        for entry in found.finalists
    }
    assert measured[name_of(found)] <= 1.02 * min(measured.values())
    for entry in found.finalists:
        truth = measured[entry.candidate.name]
        assert abs(entry.iteration.ideal - truth) < 4 * entry.uncertainty
        assert entry.iteration.ideal == pytest.approx(truth, rel=0.15)


def test_every_delay_changes_the_choice_with_reason():
    fast = plan("shifted-exponential:mu=inf,alpha=0.01", names=["uncoded", "lcc-mmc", "uc-mmc"])
    assert name_of(fast) in ("uncoded", "uc-mmc")  # nobody is slow: redundancy does not pay
    slow = plan("persistent:ranks=2,5,factor=20", names=["uncoded", "lcc-mmc", "uc-mmc"])
    assert name_of(slow) != "uncoded"


def test_a_slow_network_favours_few_messages():
    names = ["gc", "lcc", "lcc-mmc", "uc-mmc"]
    assert name_of(plan(names=names)) in ("lcc-mmc", "uc-mmc")
    slow = Network((1, 20), (0.01, 0.01), (0.2, 0.2), 0.0, 0.0)
    assert name_of(plan(network=slow, names=names)) in ("gc", "lcc")


def test_what_is_done_once_counts_for_short_jobs():
    network = replace(IDEAL, distribution=1e-5)
    names = ["uncoded", "uc-mmc"]
    long_job = plan(network=network, names=names, iterations=1000)
    assert name_of(long_job) == "uc-mmc"
    assert long_job.choice.candidate.scheme.load > 1
    short = plan(network=network, names=names, iterations=1)
    assert short.choice.candidate.scheme.load == 1


def test_of_loads_that_are_as_good_one_is_taken_that_survives_the_loss_of_a_worker():
    found = plan("shifted-exponential:mu=inf,alpha=1", names=["mds-mmc"], blocks=WORKERS)
    assert found.choice.candidate.scheme.load == 2  # as fast as 1, and as 3 with a worker less


def test_a_probe_ends_where_the_clock_has_no_more_digits():
    """Virtual time that comes to the end of a wait, rounded."""
    config = RunConfig(data="synthetic:rows=5000,features=30", objective="huber")
    source = open_source(config.data, config.seed)
    assert len(probe(config, SimulatedTransport(12), source, 20, 15.0).finish) == 20


def test_memory_is_a_limit():
    free = plan(names=["uc-mmc"], blocks=WORKERS)
    block = 8 * 50 * 21
    limit = memory.without_data(free.choice.candidate.scheme.workers) + 3.5 * block
    tight = plan(limits=Limits(limit), names=["uc-mmc"], blocks=WORKERS)
    assert free.choice.worker_memory > limit
    assert tight.choice.candidate.scheme.load == 3
    reasons = [entry.refusal for entry in tight.entries if entry.refusal]
    assert any("--memory-per-worker" in reason for reason in reasons)
    with pytest.raises(Infeasible, match="no scheme can be run: a worker needs"):
        plan(limits=Limits(1e6), names=["uc-mmc"])


def test_infeasible_ones_say_why():
    found = plan()
    refusals = {entry.candidate.arguments: entry.refusal for entry in found.entries}
    assert "needs 15 messages" in refusals["--scheme lcc-mmc --load 1"]


def test_exact_leaves_approximate_schemes_out():
    found = plan(limits=Limits(exact=True))
    assert all(
        e.candidate.scheme.exact for e in found.entries if e.candidate.scheme and not e.refusal
    )
    assert any(e.refusal == "approximate, and --exact is given" for e in found.entries)


def test_approximate_schemes_take_more_iterations():
    """With a target that they reach: as many as their own runs in virtual time take."""
    found = plan(
        "bernoulli:p=0.3,slow=1,fast=0.01",
        limits=Limits(target=0.1),
        names=["uncoded", "bgc"],
        wait="fastest:4",
        step_size="0.0008",
    )
    able = [e for e in found.entries if e.candidate.name == "bgc" and not e.refusal]
    assert able
    assert all(e.iterations >= found.iterations for e in able)
    assert name_of(found) == "bgc"  # an iteration of uncoded takes 1 s nearly always
    config = found.configured(found.choice)
    assert config.iterations == found.choice.iterations
    assert config.wait == "fastest:4"
    (uncoded,) = (e for e in found.entries if e.candidate.name == "uncoded")
    config = found.configured(uncoded)
    assert config.stop_at == 0.1
    assert config.iterations >= found.iterations


def test_options_of_other_schemes_are_not_passed_on():
    found = plan(names=["uncoded", "lcc", "erasurehead"], wait="fastest:7", blocks=8, iterations=5)
    for entry in found.entries:
        if entry.refusal is None:
            prepare(replace(found.configured(entry), workers=WORKERS, transport="simulated"), None)


def test_a_target_that_is_not_reached_is_refused():
    with pytest.raises(Infeasible, match="--target 1e-09: exact gradients are at"):
        plan(limits=Limits(target=1e-9), step_size="1e-6")


@pytest.mark.parametrize(
    "optimizer",
    [
        "gd",
        "nesterov",
        "nesterov:restart=gradient",
        "momentum",
        "cg",
        "cg:every=5",
        "lbfgs",
        "auto",
    ],
)
def test_forecasts_count_what_a_run_takes(optimizer):
    found = plan(limits=Limits(target=1e-3), names=["uc-mmc", "lcc-mmc"], optimizer=optimizer)
    for entry in found.finalists:
        config = replace(found.configured(entry), workers=WORKERS, transport="simulated")
        done = job.run(prepare(config, None), SimulatedTransport(WORKERS))
        assert done.status == "converged"
        assert len(done.log) == found.iterations < config.iterations


def test_the_optimizer_that_gets_there_soonest_is_planned_for():
    names = ["gd", "cg", "lbfgs", "nesterov", "adam:decay=2"]
    with pytest.raises(UsageError, match="adam"):
        plan(limits=Limits(target=1e-3), optimizer_names=names)
    found = plan(
        limits=Limits(target=1e-3),
        optimizer_names=names[:-1],
        # beside the dynamic ones no approximate scheme is fast enough to be tried
        names=[name for name in schemes.names() if not schemes.find(name)[0].dynamic],
        step_size="1e-9",  # which cg and lbfgs do not take
        iterations=30,
    )
    counts = {each.optimizer: each.iterations for each in found.outlooks}
    assert counts["gd"] is counts["nesterov"] is None
    assert counts["cg"] <= counts["lbfgs"]
    assert found.config.optimizer == "cg"
    assert found.iterations == counts["cg"]
    assert "--optimizer cg" in command(found)
    assert "--step-size" not in command(found)
    text = format_plan(found)
    assert f"gd -, cg {counts['cg']}, lbfgs {counts['lbfgs']}, nesterov -" in text
    assert "optimizer gd is left out: --target 0.001: exact gradients are at" in text
    refusals = {each.refusal for each in found.entries if each.refusal}
    assert "approximate, and cg needs exact gradients" in refusals
    assert to_json(found)["optimizers"][0]["iterations"] is None


def test_no_optimizer_gets_there():
    with pytest.raises(Infeasible, match=r"none of the optimizers .*: gd: .*; nesterov: "):
        plan(limits=Limits(target=1e-9), optimizer_names=["gd", "nesterov"], step_size="1e-9")


@pytest.mark.parametrize("optimizer", ["lbfgs", "cg"])
def test_an_optimizer_that_a_run_refuses_for_mini_batches_is_not_planned_for(optimizer):
    with pytest.raises(Infeasible, match=f"{optimizer} needs exact gradients, and those of mini-b"):
        plan(optimizer=optimizer, batch="0.1")


def test_auto_is_forecast_as_what_a_run_takes_for_mini_batches():
    one, other = (plan(optimizer=name, batch="0.1") for name in ("auto", "momentum"))
    assert one.target == other.target > plan(optimizer="auto").target


def test_a_target_for_mini_batches_is_refused():
    """Exact gradients would promise iterations that the errors of batches do not allow."""
    with pytest.raises(UsageError, match="leave --batch out"):
        plan(limits=Limits(target=1e-3), batch="0.1")


def test_plans_are_replayed_from_their_record():
    first = plan(iterations=37)
    record = json.loads(json.dumps(to_json(first), allow_nan=False))
    second = replay(record)
    assert second.choice.candidate.arguments == first.choice.candidate.arguments
    assert [e.candidate.arguments for e in second.finalists] == [
        e.candidate.arguments for e in first.finalists
    ]
    assert second.choice.iteration.ideal == pytest.approx(first.choice.iteration.ideal, rel=1e-12)
    shorter = replay(record, limits=Limits(exact=True))
    assert all(e.candidate.scheme.exact for e in shorter.finalists)
    with pytest.raises(UsageError, match="no plan that was recorded"):
        replay({"inputs": {"version": 1}})
    with pytest.raises(UsageError, match="format 99"):
        replay({"inputs": {"version": 99}})


def test_the_table_ends_with_a_command_that_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = plan(transport="simulated", iterations=7)
    text = format_plan(found)
    assert name_of(found) in text
    assert why(found) in text
    line = text.splitlines()[-1].strip()
    assert line == command(found)
    arguments = line.split()
    assert arguments[:2] == ["coded-dgd", "run"]
    assert run_command_line([*arguments[1:], "--json", "--quiet"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["scheme"] == name_of(found)
    assert result["iterations"] == 7
    assert result["load"] == found.choice.candidate.scheme.load


def test_all_schemes_and_loads_are_candidates():
    names = {
        each.name
        for each in candidates(
            40,
            None,
            range(1, 21),
            objectives.create("least-squares"),
            100,
            np.ones,
        )
    }
    assert set(schemes.names()) <= names
    assert {"lcc-mmc-2", "lcc-mmc-5", "lcc-mmc-10"} <= names
    refused = [
        each
        for each in candidates(8, None, [4], objectives.create("logistic"), 100, np.ones)
        if each.scheme is None and each.name in ("lcc", "lcc-mmc", "mds-mmc")
    ]
    assert len(refused) == 3
    assert all("degree 2" in each.refusal for each in refused)


@pytest.mark.parametrize("name", ["lcc-mmc", "uc-mmc", "mds-mmc", "sgc"])
def test_bytes_handed_out_are_those_of_the_run(name):
    """Counted as a transport sees them."""
    config = RunConfig(scheme=name, data=DATA, transport="simulated", workers=WORKERS, delay=PAPER)
    from coded_dgd.engine.setup import prepare
    from coded_dgd.engine.trainer import Trainer

    class Counting(SimulatedTransport):
        bytes = 0

        def piece(self, peer, start, X, y):
            self.bytes += X.nbytes + (0 if y is None else y.nbytes)
            super().piece(peer, start, X, y)

    setup = prepare(config, None)
    transport = Counting(WORKERS)
    Trainer(setup, transport, setup.problem()).start()
    assert once(setup.scheme, measurements(), SIZES).data == transport.bytes


def test_the_probe_sees_the_injected_delays():
    config = RunConfig(data=DATA, delay="persistent:ranks=3,factor=5", seed=4)
    source = open_source(config.data, config.seed)
    found = probe(config, SimulatedTransport(WORKERS), source, 5, 100.0)
    assert found.finish.shape == (5, WORKERS, 2)
    others = np.delete(found.finish, 2, axis=1)
    assert others[..., 0] == pytest.approx(0.01)
    assert others[..., 1] == pytest.approx(0.02)
    assert found.finish[:, 2] == pytest.approx(np.tile([0.05, 0.1], (5, 1)))
    assert np.isinf(found.until).all()


def test_the_probe_sees_the_lasting_speeds_of_the_run_in_other_iterations():
    lasting = "additive:overhead=0,overhead_mu=inf,alpha=0.01,mu=1000,spread=1"
    config = RunConfig(data=DATA, delay=lasting, seed=4)
    source = open_source(config.data, config.seed)
    found = probe(config, SimulatedTransport(WORKERS), source, 10, 100.0).finish[..., 0]
    run = delays.create(lasting, config.seed).trace(10, WORKERS, np.ones(1))[..., 0]
    assert np.median(found, axis=0) == pytest.approx(np.median(run, axis=0), rel=0.2)
    assert not np.isclose(found, run).any()


def test_a_trace_of_fewer_workers_is_refused_before_it_is_measured(tmp_path):
    np.save(tmp_path / "t.npy", np.ones((20, WORKERS - 1)))
    config = RunConfig(data=DATA, delay=f"trace:{tmp_path / 't.npy'}")
    with pytest.raises(UsageError, match=f"has {WORKERS - 1} workers"):
        probe(config, SimulatedTransport(WORKERS), open_source(config.data, 0), 5, 100.0)


def test_of_a_trace_with_one_task_one_task_is_measured(tmp_path):
    np.save(tmp_path / "t.npy", np.ones((20, WORKERS, 1)))
    config = RunConfig(data=DATA, delay=f"trace:{tmp_path / 't.npy'}")
    found = probe(config, SimulatedTransport(WORKERS), open_source(config.data, 0), 5, 100.0)
    assert found.finish == pytest.approx(np.ones((5, WORKERS, 1)))


def test_most_iterations_of_a_probe_do_not_wait_for_the_slowest():
    config = RunConfig(data=DATA, delay="persistent:ranks=3,factor=20", seed=4)
    source = open_source(config.data, config.seed)
    found = probe(config, SimulatedTransport(WORKERS), source, 200, 20.0)
    assert len(found.finish) == 200
    assert found.finish[:WHOLE, 2] == pytest.approx(np.tile([0.2, 0.4], (WHOLE, 1)))
    assert np.isnan(found.finish[WHOLE:, 2]).all()
    assert found.until[WHOLE:] == pytest.approx(1.5 * 0.02)
    assert np.isfinite(np.delete(found.finish, 2, axis=1)).all()


def test_bursts_are_recognised_in_a_probe():
    """In which most iterations were cut off, and those without a slow worker were not.

    With these seeds a slow worker is seen to end among the iterations that wait for it.
    """
    shares = []
    for seed in (0, 2, 3, 5, 6, 7):
        config = RunConfig(data=DATA, delay="markov:onset=0.05,recovery=0.2,factor=20", seed=seed)
        source = open_source(config.data, config.seed)
        found = probe(config, SimulatedTransport(WORKERS), source, 200, 8.0)
        best, *_ = fit(TaskTimes(found.finish, found.done, found.until))
        assert np.unique(best.measured.seconds.round(9)) == pytest.approx([0.01, 0.2])
        shares.append((best.measured.seconds > 0.1).mean())
    assert shares == pytest.approx([0.2] * 6, abs=0.1)
    assert np.mean(shares) == pytest.approx(0.2, abs=0.04)


def test_what_comes_late_from_one_group_is_not_taken_for_an_answer_in_the_next(monkeypatch):
    monkeypatch.setattr("coded_dgd.advising.probe._group_size", lambda finish, busy: 2)
    config = RunConfig(data=DATA, delay="persistent:ranks=3,factor=3")
    source = open_source(config.data, config.seed)
    found = probe(config, SimulatedTransport(WORKERS), source, 40, 100.0)
    slow = found.finish[WHOLE:, 2]
    assert np.isnan(slow[:, 1]).all()
    assert found.finish[..., 0][np.isfinite(found.finish[..., 0])].min() == pytest.approx(0.01)
    assert np.nanmax(found.finish[:, 3]) == pytest.approx(0.02)
    assert (np.isnan(slow[:, 0]) | np.isclose(slow[:, 0], 0.03)).all()


def silent_share(found):
    """Share of workers and iterations of which nothing was seen."""
    return np.isnan(found.finish[..., 0]).mean()


def test_the_probe_does_not_wait_for_ever():
    config = RunConfig(data=DATA, delay="bernoulli:p=0.5,slow=inf,fast=0.01")
    source = open_source(config.data, config.seed)
    found = probe(config, SimulatedTransport(WORKERS), source, 10, 1.0)
    silent = np.isnan(found.finish).any(axis=(1, 2))
    assert silent.any()
    assert np.isfinite(found.until[silent]).all()
    assert found.until[silent].max() <= 1.0
    best, *_ = fit(TaskTimes(found.finish, found.done, found.until))
    times = best.model(0).sample(np.random.default_rng(0), 1000, WORKERS, np.array([1.0, 5.0]))
    late = times[..., 0] > 0.01 + 1e-9
    assert times[~late] == pytest.approx(0.01)
    assert late.mean() == pytest.approx(silent_share(found), abs=0.05)
    assert (times[late, 0] > found.until[silent].min()).all()
    assert np.nanmax(found.finish) == pytest.approx(0.01)


def test_the_probe_waits_for_tasks_that_take_long():
    """A task takes more than an iteration's share of the time."""
    config = RunConfig(data=DATA, delay="persistent:ranks=1,factor=100,alpha=2")
    source = open_source(config.data, config.seed)
    found = probe(config, SimulatedTransport(WORKERS), source, 20, 10.0)
    assert found.finish[:2, 1:, 0] == pytest.approx(2.0)
    assert (np.isfinite(found.finish[:2, :, 1]).sum(axis=1) == WORKERS / 2).all()
    assert np.isnan(found.finish[:, 0]).all()
    assert found.until[:2] == pytest.approx(4.0)
    assert len(found.finish) == 3  # the third began in time


@pytest.mark.parametrize(("text", "value"), [("2GB", 2e9), ("500 MB", 5e8), ("1e6", 1e6)])
def test_bytes(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "2 parsecs"])
def test_what_are_no_bytes(text):
    with pytest.raises(UsageError, match="--memory-per-worker"):
        parse_bytes(text)


ALONE = ["--transport", "simulated", "--workers", "6", "--data", DATA, "--iterations", "12"]


def test_plan_and_auto_as_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["plan", *ALONE, "--probe", "8", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["choice"]["scheme"] in err
    assert record["delays"][1]["delay"].startswith("shifted-exponential")
    (tmp_path / "p.json").write_text(out)
    assert run_command_line(["plan", "--from", "p.json", "--json", "--quiet"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["choice"]["scheme"] == record["choice"]["scheme"]
    assert again["choice"]["load"] == record["choice"]["load"]

    auto = ["run", "--scheme", "auto", *ALONE, "--out", "auto", "--json", "--quiet"]
    assert run_command_line(auto) == 0
    result = json.loads(capsys.readouterr().out)
    chosen = json.loads((tmp_path / "auto" / "plan.json").read_text())
    assert result["scheme"] == chosen["choice"]["scheme"]
    assert result["planned"]["iteration_time"]["predicted"] == chosen["choice"]["iteration_time"]
    assert result["planned"]["iteration_time"]["measured"] == result["completion_time"]["mean"]
    assert 'scheme = "auto"' not in (tmp_path / "auto" / "config.toml").read_text()
    assert run_command_line(["plan", "--from", "auto", "--json", "--quiet"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["choice"]["scheme"] == chosen["choice"]["scheme"]

    # a run that nobody planned tells of its delays as well
    assert run_command_line(["run", "--scheme", "lcc-mmc", "--load", "4", *ALONE[:-1], "40",
                             "--out", "plain", "--quiet"]) == 0  # fmt: skip
    assert run_command_line(["plan", "--from", "plain", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["delays"][1]["delay"].startswith("shifted-exponential")
    assert found["inputs"]["workers"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "nowhere"], "nowhere is no run folder"),
        (["--memory-per-worker", "much"], "--memory-per-worker 'much'"),
        (["--target", "2"], "--target 2 is a fraction"),
        (["--optimizers", "gd,lbfgs"], "--optimizers are chosen among by the time to a target"),
        (["--optimizers", "newton", "--target", "0.1"], "unknown --optimizer 'newton'"),
        (["--probe", "0"], "--probe 0"),
        (["--from", "nowhere", "--workers", "7"], "--workers is the number that nowhere tells"),
        ([*ALONE, "--schemes", "nosuch"], "unknown scheme 'nosuch'"),
        ([*ALONE, "--load", "x"], "--load 'x'"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["plan", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_ranks_that_share_cores_end_together():
    """Two cores for eight workers: one after the other they compute, 4 ms of two tasks each."""
    order = np.arange(WORKERS) // 2 * 0.004
    finish = (order[None, :, None] + [0.002, 0.004]) * np.ones((10, 1, 1))
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((10, WORKERS), np.inf))
    measured = Measurements(times, 0.002, IDEAL, SPEED, ("one",) * WORKERS, (2,) * WORKERS)
    found, held_up = share_cores(measured, 20)
    assert held_up == pytest.approx((14 / 16 - 1 / 2) / (1 / 2))  # the last worker's first task
    assert found.times.finish == pytest.approx(np.tile([0.008, 0.016], (10, WORKERS, 1)))
    # the same on hosts of their own, each as fast as it computes: nothing to correct
    alone = replace(times, finish=np.tile([0.002, 0.004], (10, WORKERS, 1)))
    hosts = tuple(str(w) for w in range(WORKERS))
    found, held_up = share_cores(replace(measured, times=alone, hosts=hosts), 20)
    assert held_up is None
    assert found.network is IDEAL
    assert (found.times.finish == alone.finish).all()


def test_a_task_takes_no_longer_than_the_cores_need_for_all():
    """Workers that wake up later than idle ones did: not three times as late with three tasks."""
    seen = np.tile([0.004, 0.0042], (10, WORKERS, 1))
    times = TaskTimes(seen, np.tile([1, 2], (WORKERS, 1)), np.full((10, WORKERS), np.inf))
    network = replace(IDEAL, latency=(1e-3,) * 2, gathering=(2e-3,) * 2)
    measured = Measurements(times, 5e-5, network, SPEED, ("one",) * WORKERS, (2,) * WORKERS)
    found, held_up = share_cores(measured, 20)
    assert found.times.finish[..., 0] == pytest.approx(5e-5 * WORKERS / 2)
    assert held_up == pytest.approx(0)


def test_where_cores_are_shared_waking_up_and_messages_do_not_grow_with_tasks():
    """Workers that wake up late, 2 ms for a round of messages, and 0.1 ms for a task of all."""
    service, wake, task = 1e-4, 2e-3, 1e-4
    alone = 1e-3
    network = Network(
        (1, 20), (alone,) * 2, (service,) * 2, gathering=(wake + (WORKERS - 1) * service,) * 2
    )

    def seen(tasks, messages):
        return wake + task * tasks + service * (WORKERS * messages - 1)

    finish = np.tile([seen(1, 1), seen(2, 2)], (10, WORKERS, 1))
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((10, WORKERS), np.inf))
    measured = Measurements(times, 2e-5, network, SPEED, ("one",) * WORKERS)
    config = RunConfig(scheme="auto", delay="none", data=DATA)
    found = make_plan(
        measured, config, open_source(config.data, 0), WORKERS, Limits(), data_bytes=0,
        injected=False, names=["uncoded", "uc-mmc", "gc", "lcc"],
    )  # fmt: skip
    by_name = {e.candidate.arguments: e.iteration for e in found.entries if e.iteration}
    for name, tasks in (("uncoded", 1), ("gc --load 4", 4), ("lcc --load 8", 8)):
        assert by_name[f"--scheme {name}"].completion == pytest.approx(
            seen(tasks, 1), abs=WORKERS * service
        )
    assert by_name["--scheme uc-mmc --load 8"].completion == pytest.approx(seen(1, 1), rel=0.02)
    # what was measured is what is recorded
    assert found.measured.network == network


def test_redundancy_does_not_pay_where_cores_are_shared():
    order = np.arange(WORKERS) // 2 * 0.004
    finish = (order[None, :, None] + [0.002, 0.004]) * np.ones((10, 1, 1))
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((10, WORKERS), np.inf))
    measured = Measurements(times, 0.002, IDEAL, SPEED, ("one",) * WORKERS)
    config = RunConfig(scheme="auto", delay="none", data=DATA)
    source = open_source(config.data, 0)
    names = ["uncoded", "gc", "lcc", "uc-mmc"]
    found = make_plan(
        measured, config, source, WORKERS, Limits(), data_bytes=0, injected=False, names=names
    )
    assert found.choice.candidate.scheme.load == 1
    by_name = {e.candidate.arguments: e.iteration for e in found.entries if e.iteration}
    assert by_name["--scheme lcc --load 8"].completion == pytest.approx(8 * 0.008, rel=0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("one_blas_thread")
def test_the_whole_grid_is_predicted_in_fifteen_seconds_of_one_core():
    delay = "shifted-exponential:mu=10,alpha=0.01"
    network = Network((1, 100), (1e-3, 1e-3), (3e-5, 4e-5), 0.1, 1e-9)
    measured = measurements(delay, network, workers=40, iterations=20)
    source = open_source("synthetic:rows=1000,features=100", 0)
    begin = process_time()
    found = make_plan(
        measured, RunConfig(scheme="auto", delay=delay), source, 40, Limits(), data_bytes=0,
        injected=True,
    )  # fmt: skip
    assert process_time() - begin < 15
    assert len(found.entries) > 200
    assert {e.candidate.scheme.load for e in found.entries if e.candidate.name == "uc-mmc"} == set(
        range(1, 21)
    )


def test_tasks_are_timed_as_the_run_will_compute_them():
    """Timed with products they took up to nine times as long as with Gram matrices in the run."""

    class Told(SimulatedTransport):
        def assign(self, peer, assignment):
            kernels.add(assignment.kernel)
            super().assign(peer, assignment)

    for iterations, expected in ((1, {"products"}), (1000, {"products", "gram"})):
        kernels = set()
        config = RunConfig(
            data="synthetic:rows=8000,features=40", delay="none", iterations=iterations
        )
        probe(config, Told(4), open_source(config.data, config.seed), 2, 5.0)
        assert kernels == expected


@pytest.mark.parametrize("injected", [True, False])
@pytest.mark.parametrize("law", [PAPER, "bernoulli:p=0.3,slow=1,fast=0.1"])
def test_blocks_of_any_number_count_by_shares(law, injected):
    by_share = f"{law},per=share"
    delay = delays.create(by_share, 7)
    finish = delay.trace(300, WORKERS, np.array([0.25, 0.5]))  # of 32 blocks, two on each worker
    times = TaskTimes(finish, np.tile([1, 2], (WORKERS, 1)), np.full((300, WORKERS), np.inf))
    config = RunConfig(
        scheme="auto", delay=by_share if injected else "none", data=DATA, blocks=32, load=8
    )
    found = make_plan(
        Measurements(times, 1e-5, IDEAL, SPEED), config, open_source(DATA, 0), WORKERS, Limits(),
        data_bytes=1e8, injected=injected, names=["uncoded", "uc-mmc", "ignore-stragglers"],
    )  # fmt: skip
    assert found.fits[0].text.endswith(",per=share")
    tried = {entry.candidate.name: entry for entry in found.entries}
    for name in ("uncoded", "uc-mmc", "ignore-stragglers"):
        entry = tried[name]
        expected = predict(entry.candidate.scheme, delay).mean
        assert entry.iteration.ideal == pytest.approx(expected, rel=0.1), name


@pytest.mark.parametrize(
    ("delay", "blocks", "injected", "unit"),
    [
        ("none", None, False, None), ("none", 8, False, None), ("none", 32, False, "share"),
        (PAPER, 32, True, None), (f"{PAPER},per=task", 32, True, "task"),
        (f"{PAPER},per=share", None, True, "share"), ("trace:no-file,per=share", 8, True, "share"),
    ],
)  # fmt: skip
def test_fitted_laws_count_by_shares_where_blocks_differ_in_size(delay, blocks, injected, unit):
    assert unit_of_work(RunConfig(delay=delay, blocks=blocks), WORKERS, injected) == unit


def test_what_an_objective_needs_besides_the_data_is_predicted_for_every_process(monkeypatch):
    objective = objectives.create("logistic")
    monkeypatch.setattr(type(objective), "overhead_bytes", 3e8)
    source = open_source("synthetic:rows=400,features=20", 0)
    heavy = Sizes.of(source, objective, RunConfig())
    light = replace(heavy, overhead=0.0)
    scheme = schemes.create("uc-mmc", 4, None, 2)
    assert memory.worker(scheme, heavy) - memory.worker(scheme, light) == 3e8
    assert memory.master(scheme, heavy, 0.0) - memory.master(scheme, light, 0.0) == 3e8


def test_workers_of_a_host_load_libraries_at_the_same_time(monkeypatch):
    objective = objectives.create("logistic")
    monkeypatch.setattr(loading, "ranks_on_host", lambda: 9)
    monkeypatch.setattr(loading, "cores", lambda _: 2)
    assert loading.loading(objective) == 0
    monkeypatch.setattr(type(objective), "overhead_seconds", 1.5)
    assert loading.loading(objective) == 1.5 * 8 / 2
    monkeypatch.setattr(loading, "cores", lambda _: 64)
    assert loading.loading(objective) == 1.5
