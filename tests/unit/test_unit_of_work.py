"""Delay models count a block as a task, or as M/N of a task whatever N is: ``per=task|share``."""

import numpy as np
import pytest

from coded_dgd import delays, origin, schemes
from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import DataError, UsageError
from coded_dgd.runs.reading import read_run
from coded_dgd.runs.run_folder import recording
from coded_dgd.theory import predict
from coded_dgd.theory.exact import lower_limit
from coded_dgd.theory.integrate import integrate
from coded_dgd.theory.monte_carlo import simulate

LAW = "shifted-exponential:mu=10,alpha=0.01"
MODELS = [
    LAW,
    f"{LAW},tasks=independent",
    "pareto:shape=2.2,scale=0.06",
    "persistent:ranks=1,3,factor=20",
    "markov:onset=0.2",
    "bernoulli:p=0.3,slow=1,fast=0.01",
]


def run(name="uncoded", workers=8, **options):
    """A run in virtual time."""
    given = {"iterations": 4, "data": "synthetic:rows=64,features=4"} | options
    config = RunConfig(scheme=name, workers=workers, transport="simulated", **given)
    setup = prepare(config, None)
    return job.run(setup, SimulatedTransport(workers))


def completion(outcome):
    return np.array([record.completion_time for record in outcome.log])


def record(path, outcome):
    """Write what a run folder would hold; the delay that replays it."""
    np.savez(path, **recording(outcome.stages[0], outcome.arrivals[0], outcome.setup.delay))
    return f"trace:{path}"


# The work of blocks


@pytest.mark.parametrize("name", ["uncoded", "uc-mmc", "lcc-mmc", "mds-mmc"])
def test_a_block_is_a_task_unless_the_delay_counts_shares(name):
    scheme = schemes.create(name, 8, 32, 8)
    tasks = np.arange(1.0, scheme.load + 1)
    for text, work in ((LAW, tasks), (f"{LAW},per=task", tasks), (f"{LAW},per=share", tasks / 4)):
        np.testing.assert_array_equal(scheme.work_under(delays.create(text, 0)), work)
    np.testing.assert_array_equal(scheme.work, tasks)


def test_a_block_of_a_stochastic_scheme_is_a_share_unless_the_delay_counts_tasks():
    scheme = schemes.create("sgc", 8, 40)
    scheme.fit(40, lambda count: np.ones(count))
    tasks = np.arange(1.0, scheme.load + 1)
    shares = tasks * 8 / 40
    for text, work in ((LAW, shares), (f"{LAW},per=task", tasks), (f"{LAW},per=share", shares)):
        np.testing.assert_array_equal(scheme.work_under(delays.create(text, 0)), work)


@pytest.mark.parametrize("law", MODELS)
def test_more_blocks_are_the_same_work_by_shares(law):
    one, four = (schemes.create("uncoded", 40, N) for N in (40, 160))
    delay = delays.create(f"{law},per=share", 3)
    finish = [delay.trace(20, 40, scheme.work_under(delay)) for scheme in (one, four)]
    times = [one.message_times(finish[0]), four.message_times(finish[1])]
    np.testing.assert_allclose(*times, rtol=1e-12)
    usual = delays.create(law, 3)
    np.testing.assert_array_equal(
        times[0], one.message_times(usual.trace(20, 40, one.work_under(usual)))
    )


# Everything that asks for the work


@pytest.mark.parametrize("law", MODELS)
def test_runs_take_the_same_time_with_any_number_of_blocks(law):
    one, four = (run(blocks=N, delay=f"{law},per=share") for N in (8, 32))
    np.testing.assert_allclose(completion(four), completion(one), rtol=1e-12)
    np.testing.assert_allclose(four.ideal, completion(one), rtol=1e-12)
    np.testing.assert_array_equal(completion(one), completion(run(blocks=8, delay=law)))
    if "bernoulli" not in law:  # all tasks of a worker end together
        usual = run(blocks=32, delay=law)
        assert (completion(usual) > 1.5 * completion(four)).all()


@pytest.mark.parametrize("name", ["uncoded", "lcc-mmc"])
def test_closed_forms_count_shares(name):
    scheme = schemes.create(name, 8, 32, 16)
    by_task, by_share = (delays.create(text, 0) for text in (LAW, f"{LAW},per=share"))
    exact, usual = predict(scheme, by_share), predict(scheme, by_task)
    assert exact.method == "exact"
    np.testing.assert_allclose(exact.mean, usual.mean / 4, rtol=1e-6)
    found = simulate(scheme, by_share, 20_000, seed=0)
    assert abs(found.mean - exact.mean) <= 4 * found.standard_error
    limits = [integrate(lower_limit(scheme, delay)).mean for delay in (by_share, by_task)]
    np.testing.assert_allclose(limits[0], limits[1] / 4, rtol=1e-6)


@pytest.mark.parametrize("name", ["uc-mmc", "lcc-mmc", "sgc"])
def test_a_prediction_agrees_with_runs(name):
    sizes = {"blocks": 32} if name == "sgc" else {"blocks": 32, "load": 16}
    outcome = run(name, iterations=400, delay=f"{LAW},per=share", **sizes)
    found = predict(outcome.setup.scheme, outcome.setup.delay, realisations=20_000)
    times = completion(outcome)
    assert abs(times.mean() - found.mean) <= 4 * times.std() / np.sqrt(len(times))
    np.testing.assert_allclose(outcome.ideal, times, rtol=1e-12)


# Traces


@pytest.mark.parametrize("per", ["task", "share"])
@pytest.mark.parametrize("name", ["uc-mmc", "sgc"])
def test_a_run_replayed_in_the_same_unit_is_the_same_run(name, per, tmp_path):
    sizes = {"blocks": 32} if name == "sgc" else {"blocks": 32, "load": 12}
    first = run(name, delay=f"{LAW},per={per}", **sizes)
    trace = record(tmp_path / "arrivals.npz", first)
    again = run(name, delay=f"{trace},per={per}", **sizes)
    np.testing.assert_allclose(completion(again), completion(first), rtol=1e-12)
    if name == "sgc" and per == "share":  # its own unit
        usual = run(name, delay=trace, **sizes)
        np.testing.assert_array_equal(completion(usual), completion(again))


@pytest.mark.parametrize("per", ["", ",per=task", ",per=share"])
@pytest.mark.parametrize("sizes", [(8, 32), (32, 8)])
def test_a_run_replayed_by_shares_with_other_blocks_takes_the_same_time(sizes, per, tmp_path):
    recorded, other = sizes
    first = run(blocks=recorded, delay=f"{LAW}{per}")
    trace = record(tmp_path / "arrivals.npz", first)
    again = run(blocks=other, delay=f"{trace},per=share")
    np.testing.assert_allclose(completion(again), completion(first), rtol=1e-12)


def test_a_replayed_run_is_replayed_again(tmp_path):
    first = run(blocks=32, delay=LAW)
    second = run(blocks=16, delay=f"{record(tmp_path / 'a.npz', first)},per=share")
    third = run(blocks=8, delay=f"{record(tmp_path / 'b.npz', second)},per=share")
    np.testing.assert_allclose(completion(third), completion(first), rtol=1e-12)


def test_a_scheme_that_counts_shares_replays_a_run_that_counted_tasks(tmp_path):
    first = run(blocks=32, delay=LAW)
    trace = record(tmp_path / "arrivals.npz", first)
    again = run("ignore-stragglers", blocks=8, delay=trace)
    np.testing.assert_allclose(completion(again), completion(first), rtol=1e-12)


def test_recorded_durations_are_those_of_shares(tmp_path):
    np.save(tmp_path / "a,b.npy", np.random.default_rng(0).uniform(0.1, 1, (4, 8)))
    delay = f"trace:{tmp_path / 'a,b.npy'}"
    one, four = (run(blocks=N, delay=f"{delay},per=share") for N in (8, 32))
    np.testing.assert_allclose(completion(four), completion(one), rtol=1e-12)
    np.testing.assert_array_equal(completion(one), completion(run(blocks=8, delay=delay)))


def test_the_path_of_a_trace_is_located_without_its_unit(tmp_path):
    (tmp_path / "a.npy").touch()
    given = {"delay": "trace:a.npy,per=share"}
    found = origin.located(given, tmp_path)
    assert found == {"delay": f"trace:{tmp_path / 'a.npy'},per=share"}
    assert origin.relative(found, tmp_path) == given
    assert not origin.is_gone("delay", found["delay"])
    assert origin.is_gone("delay", "trace:b.npy,per=share")
    assert origin.same("delay", found["delay"], f"trace:{tmp_path}/./a.npy,per=share")
    assert not origin.same("delay", found["delay"], f"trace:{tmp_path / 'a.npy'}")


# Run folders


OPTIONS = ["--transport", "simulated", "--workers", "8", "--quiet"]


@pytest.mark.parametrize(
    "given",
    [
        ["--scheme", "sgc", "--blocks", "32"],
        ["--scheme", "uc-mmc", "--blocks", "32", "--load", "8", "--delay", f"{LAW},per=share"],
        ["--scheme", "uc-mmc", "--load", "2"],
    ],
    ids=" ".join,
)
def test_what_is_saved_is_counted_by_shares_if_the_run_is(given, tmp_path):
    path = tmp_path / "run"
    assert run_command_line(["run", *OPTIONS, "--iterations", "4", *given, "--out", str(path)]) == 0
    expected = completion(run(blocks=8, delay=LAW))
    np.testing.assert_allclose(read_run(path).uncoded, expected, rtol=1e-12)


# What is refused


@pytest.mark.parametrize("law", [*MODELS, "none", "trace:a.npy"])
def test_another_unit_is_refused_in_one_line(law, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.ones((2, 8)))
    separator = "," if ":" in law else ":"
    assert delays.create(f"{law}{separator}per=share", 0).per == "share"
    assert delays.create(law, 0).per is None
    for wrong in ("row", "", "Share"):
        with pytest.raises(UsageError, match=r"choose per=task.* or per=share") as refusal:
            delays.create(f"{law}{separator}per={wrong}", 0)
        assert "\n" not in str(refusal.value)


def test_a_unit_is_no_file():
    with pytest.raises(UsageError, match="a trace needs a file"):
        delays.create("trace:per=share", 0)


def test_a_share_of_nothing_in_a_recording_is_refused(tmp_path):
    path = tmp_path / "arrivals.npz"
    np.savez(path, arrival=np.ones((1, 2, 1)), tasks_done=[[1], [1]], unit=1.0, share=0.0)
    with pytest.raises(DataError, match="cannot be read"):
        delays.create(f"trace:{path}", 0)
