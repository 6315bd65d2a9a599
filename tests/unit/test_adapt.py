"""``run --adapt``: under the virtual clock, where the cluster changes and where it does not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from observing import Recorder

from coded_dgd.advising.live import adviser
from coded_dgd.api import train as train_here
from coded_dgd.cli import run_command_line
from coded_dgd.config import SCHEME_OPTIONS, RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.changes import Adaptation, Party
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import UsageError
from coded_dgd.planner.advice import drifted
from coded_dgd.planner.observations import ObservedTimes
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.report.progress import Progress
from coded_dgd.runs.reading import read_run

WORKERS, ITERATIONS, CHANGE = 10, 200, 60
EXACT = [
    "uncoded", "uc-mmc --load 3", "lcc-mmc --load 4", "mds-mmc --load 4", "uc-dynamic --copies 2",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    steady = 0.01 + rng.exponential(0.02, (ITERATIONS, WORKERS))
    np.save("steady.npy", steady)
    slow = steady.copy()
    slow[CHANGE:, 3] *= 12
    np.save("slow.npy", slow)
    late = rng.random(steady.shape) < 0.3
    late[:CHANGE] = False
    np.save("worse.npy", np.where(late, 15 * steady, steady))


def arguments(trace, scheme, *more):
    return [
        "run", "--transport", "simulated", "--workers", str(WORKERS), "--quiet",
        "--data", "synthetic:rows=205,features=12", "--iterations", str(ITERATIONS),
        "--delay", f"trace:{trace}.npy", "--scheme", *scheme.split(), *more,
    ]  # fmt: skip


def run(capsys, trace, scheme, *more):
    assert run_command_line(arguments(trace, scheme, "--json", *more)) == 0
    return json.loads(capsys.readouterr().out)


def seconds(result):
    return result["completion_time"]["mean"] * result["iterations"]


@pytest.mark.parametrize("scheme", EXACT)
def test_where_nothing_changes_nothing_is_changed(scheme, capsys):
    found = run(capsys, "steady", scheme, "--adapt", "--out", "adapted")
    plain = run(capsys, "steady", scheme, "--out", "plain")
    assert found["adaptations"] == []
    assert seconds(found) == seconds(plain)
    np.testing.assert_array_equal(np.load("adapted/beta.npy"), np.load("plain/beta.npy"))


@pytest.mark.parametrize(
    ("scheme", "most"),
    [("uncoded", 0.6), ("uc-mmc --load 3", 0.93), ("lcc-mmc --load 4", 0.95),
     ("uc-dynamic --copies 2", 0.95)],
)  # fmt: skip
def test_a_worker_that_becomes_slow_is_done_without(scheme, most, capsys):
    found = run(capsys, "slow", scheme, "--adapt", "--check-gradient", "--out", "adapted")
    plain = run(capsys, "slow", scheme, "--out", "plain")
    assert found["gradient_error"]["max"] < 1e-9
    (change,) = found["adaptations"]
    assert CHANGE < change["iteration"] <= CHANGE + 42
    assert change["why"] == "worker 4 slow"
    assert set(change["from"]["ranks"]) - set(change["to"]["ranks"]) == {4}
    assert change["measured"] == pytest.approx(change["predicted"], rel=0.25)
    assert change["measured"] < change["replaced"]
    assert seconds(found) < most * seconds(plain)


def test_more_redundancy_where_stragglers_become_frequent(capsys):
    found = run(capsys, "worse", "uc-mmc --load 3", "--adapt", "--check-gradient")
    plain = run(capsys, "worse", "uc-mmc --load 3")
    assert found["adaptations"][0]["to"]["load"] > 3
    assert found["gradient_error"]["max"] < 1e-9
    assert seconds(found) < 0.75 * seconds(plain)


def test_auto_may_take_another_scheme(capsys):
    """Gradients stay exact, whatever scheme they are of."""
    found = run(capsys, "worse", "auto --load 2", "--adapt", "--check-gradient", "--out", "auto")
    plain = run(capsys, "worse", "auto --load 2", "--out", "plain")
    assert found["adaptations"]
    assert found["gradient_error"]["max"] < 1e-9
    assert seconds(found) < 0.95 * seconds(plain)
    assert found["planned"]["iteration_time"]["measured"] == found["completion_time"]["mean"]


def test_partial_gradients_early_and_exact_ones_late(capsys):
    scheme = "uc-mmc-pg --load 3 --tolerance 0.2"
    found, plain = run(capsys, "steady", scheme, "--adapt"), run(capsys, "steady", scheme)
    assert found["adaptations"][0]["to"]["tolerance"] == 0
    assert found["distance_to_optimum"] < 1e-4 * plain["distance_to_optimum"]


class Counting(SimulatedTransport):
    """Counts what is handed out."""

    pieces = 0

    def piece(self, *arguments):
        self.pieces += 1
        super().piece(*arguments)


def train(config, transport):
    prepared = prepare(config, None)
    problem = prepared.problem()
    advice = adviser(config, transport, problem.source, config.scheme_options, None, False)
    said = Recorder()
    outcome = job.run(prepared, transport, said, problem, adviser=advice)
    return outcome, said.lines


def configuration(scheme, trace, **options):
    return RunConfig(
        scheme=scheme, workers=WORKERS, data="synthetic:rows=205,features=12", adapt=True,
        iterations=ITERATIONS, delay=f"trace:{trace}.npy", transport="simulated", **options,
    )  # fmt: skip


def test_another_number_to_wait_for_needs_no_data(capsys):
    config = configuration("ignore-stragglers", "steady", wait="fastest:7")
    counting = Counting(WORKERS)
    outcome, (line,) = train(config, counting)
    (change,) = outcome.adaptations
    assert change.before.options["wait"] == "fastest:7"
    assert change.after.options["wait"] == "all"  # near the optimum
    assert change.predicted_cost == 0
    assert line == change.line
    before = Counting(WORKERS)
    prepared = prepare(config, None)
    job.run(prepared, before)
    echoes = 4 * WORKERS  # of the measurement of messages
    assert counting.pieces == before.pieces + echoes


def test_a_loss_after_a_change_is_survived():
    transport = SimulatedTransport(WORKERS, losses={2: 6.5})
    outcome, said = train(configuration("uc-mmc", "slow", load=3, check_gradient=True), transport)
    assert [report.peer for report in outcome.losses] == [2]
    assert outcome.adaptations[0].why == "worker 4 slow"
    assert any("in the place of worker" in line for line in said)  # the slow one is a spare now
    assert len(outcome.log) == ITERATIONS
    assert max(record.gradient_error for record in outcome.log) < 1e-9


def test_a_run_that_goes_on_after_a_change_is_the_one_that_never_stopped(monkeypatch, capsys):
    options = ["--adapt", "--checkpoint-every", "10"]
    whole = run(capsys, "slow", "uncoded", *options, "--out", "whole")
    done = iter(range(CHANGE + 60))

    def update(self, record):
        if next(done, None) is None:
            os.kill(os.getpid(), signal.SIGUSR2)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "iteration", update)
        assert run_command_line(arguments("slow", "uncoded", *options, "--out", "parts")) == 75
    capsys.readouterr()
    assert run_command_line(["run", "--resume", "parts", "--quiet", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert parts["resumed_at"] > CHANGE + 42
    np.testing.assert_array_equal(np.load("parts/beta.npy"), np.load("whole/beta.npy"))
    assert parts["completion_time"] == whole["completion_time"]
    (one,), (other,) = parts["adaptations"], whole["adaptations"]
    assert {**one, "measured": 0} == {**other, "measured": 0}
    assert len(read_run(Path("parts")).log) == ITERATIONS


def test_a_change_is_replayed_from_its_record(capsys):
    (change,) = run(capsys, "slow", "uncoded", "--adapt", "--out", "run")["adaptations"]
    record = f"run/adaptation-{change['stage']}.json"
    assert run_command_line(["plan", "--from", record, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["change"]
    assert found["why"] == change["why"]
    assert found["choice"]["workers"] == change["to"]["ranks"]
    assert found["predicted_gain"] == pytest.approx(change["predicted_gain"])
    assert "changed: uncoded saves" in err
    Path("broken.json").write_text('{"adaptation": {"version": 1}}')
    assert run_command_line(["plan", "--from", "broken.json"]) == 2
    assert "no adaptation that was recorded" in capsys.readouterr().err


@pytest.mark.parametrize(
    "spoilt",
    [{"to": {}}, {"iteration": "1"}, {"why": 3}, {"x": 1}, {"cost": "much"}, {"measured": []}],
    ids=str,
)
def test_what_is_no_adaptation_is_refused(spoilt):
    party = Party({"scheme": "gc", "load": 2, **dict.fromkeys(SCHEME_OPTIONS)}, [1, 2, 3])
    sound = Adaptation(
        iteration=20, stage=2, why="why", before=party, after=party, predicted_gain=1.0,
        predicted_cost=0.1, replaced=2.0, predicted=1.0,
    ).to_json()  # fmt: skip
    assert Adaptation.from_json(json.loads(json.dumps(sound))).to_json() == sound
    with pytest.raises((ValueError, TypeError, KeyError)):
        Adaptation.from_json({**sound, **spoilt})


def test_an_adaptation_may_be_that_of_a_version_with_fewer_options_of_schemes():
    party = Party({"scheme": "gc", "load": 2}, [1, 2, 3])
    sound = Adaptation(
        iteration=20, stage=2, why="why", before=party, after=party, predicted_gain=1.0,
        predicted_cost=0.1, replaced=2.0, predicted=1.0,
    ).to_json()  # fmt: skip
    found = Adaptation.from_json(sound)
    assert found.to_json() == sound
    assert str(found.after) == "gc, load 2, 3 workers"
    for spoilt in ({"load": 2}, {"scheme": "gc", "load": 2, "shape": 1}):
        with pytest.raises(ValueError, match="load"):
            Adaptation.from_json({**sound, "to": {**spoilt, "ranks": [1]}})


def test_training_from_python_adapts_too():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 6)), rng.standard_normal(100)
    options = {
        "transport": "simulated", "workers": WORKERS, "scheme": "uncoded", "iterations": ITERATIONS,
        "delay": "trace:slow.npy", "adapt": True,
    }  # fmt: skip
    found = train_here(X, y, **options)
    assert [each["why"] for each in found.summary["adaptations"]] == ["worker 4 slow"]
    np.testing.assert_allclose(found.coef_, np.linalg.lstsq(X, y)[0], atol=1e-8)
    with pytest.raises(UsageError, match="objectives that have a name"):
        train_here(X, y, objective=LeastSquares(), **options)


def sample(seconds):
    return ObservedTimes(seconds, np.ones(seconds.shape, bool), np.full(seconds.shape, np.inf))


def test_drift_is_noticed_and_chance_is_not():
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(100):
        before, now = (0.01 + rng.exponential(0.02, (20, WORKERS)) for _ in range(2))
        alarms += drifted(sample(before), sample(now))
        now[:, 2] *= 8
        assert drifted(sample(before), sample(now))
    assert alarms <= 2


def test_without_it_the_planner_is_not_imported():
    code = (
        "import sys; from coded_dgd.cli import run_command_line as run;"
        f"code = run({arguments('steady', 'uncoded', '--iterations', '3')});"
        "planner = {'adapting', 'fitting', 'judging', 'planning'};"
        "sys.exit(code or any(f'coded_dgd.planner.{name}' in sys.modules for name in planner))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
