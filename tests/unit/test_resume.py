"""Stopping and going on, under the virtual clock: bit for bit as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from dying import dies_at_line

from coded_dgd import files, registry, schemes
from coded_dgd.app import running
from coded_dgd.cli import run_command_line
from coded_dgd.config import HARMLESS, RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.checkpoint import latest, write
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.report.progress import Progress
from coded_dgd.runs import run_folder
from coded_dgd.runs.reading import read_run
from coded_dgd.schemes.base import Scheme

ITERATIONS = 12
REAL_TIMES = ("weights_time", "decode_time", "update_time", "compute_time", "check_time")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return run_command_line(["run", "--transport", "simulated", "--quiet", *arguments])


def options(name, *more):
    """A small run of that scheme, on 6 workers."""
    load = "load" in registry.find(schemes, name.removesuffix("-2"), Scheme, "scheme").sizes
    return [
        "--scheme", name, "--workers", "6", "--data", "synthetic:rows=61,features=8",
        "--iterations", str(ITERATIONS), "--check-gradient", *(["--load", "4"] if load else []),
        *more,
    ]  # fmt: skip


def resume(folder, *more):
    return run_command_line(["run", "--resume", folder, "--quiet", *more])


@pytest.fixture
def stop_after(monkeypatch):
    """Have the signal come when so many iterations are done."""

    def stop(iterations, number=signal.SIGUSR2):
        done = iter(range(iterations - 1))

        def update(self, record):
            if next(done, None) is None:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(Progress, "iteration", update)

    return stop


def records(folder):
    lines = Path(folder, "iterations.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(each).items() if k not in REAL_TIMES} for each in lines]


def assert_same(folder, other):
    """Bit for bit the same, but for what the machine itself took."""
    assert records(folder) == records(other)
    for file in ("beta.npy", "arrivals.npz"):
        first, second = np.load(f"{folder}/{file}"), np.load(f"{other}/{file}")
        if file == "beta.npy":
            first, second = {"beta": first}, {"beta": second}
        for key in first:
            np.testing.assert_array_equal(first[key], second[key])


VARIANTS = [
    *((name,) for name in [*schemes.names(), "lcc-mmc-2"]),
    ("sgc", "--p", "auto", "--wait", "fastest:4"),
    ("bgc", "--p", "auto", "--wait", "deadline:0.1"),
    ("uc-mmc", "--optimizer", "nesterov"),
    ("gc", "--objective", "logistic", "--optimizer", "nesterov", "--ridge", "0.1"),
    ("uc-mmc", "--optimizer", "nesterov:restart=gradient"),
    ("sgc", "--optimizer", "momentum"),
    ("lcc-mmc", "--optimizer", "adam", "--step-size", "0.1"),
    *((name, "--optimizer", "cg:every=4") for name in ("uc-mmc", "lcc-mmc", "mds-mmc")),
    ("lcc", "--optimizer", "cg", "--stop-at", "1e-3"),
    ("mds-mmc", "--optimizer", "lbfgs"),
    ("gc", "--objective", "logistic", "--optimizer", "lbfgs:pairs=3", "--ridge", "0.1"),
    ("uc-mmc", "--objective", "logistic", "--optimizer", "auto", "--ridge", "0.001"),
    ("sgc", "--step-size", "power-law:scale=10,power=0.7", "--p", "auto"),
    ("lcc-mmc", "--delay", "bernoulli:p=0.3,slow=1,fast=0.01"),
    ("uc-dynamic", "--delay", "persistent:ranks=2,factor=5"),
    ("uc-dynamic", "--delay", "persistent:ranks=2,factor=5", "--shares", "equal"),
]


def signs(path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((61, 8))
    np.savez(path, X=X, y=np.sign(X[:, 0] + rng.standard_normal(61)))


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_a_run_that_goes_on_is_the_run_that_never_stopped(variant, stop_after):
    name, *more = variant
    if "logistic" in more:
        signs("signs.npz")
        more += ["--data", "signs.npz"]
    arguments = options(name, *more)
    assert run(*arguments, "--out", "whole") == 0
    dice = random.Random(" ".join(variant))
    first = dice.randint(1, ITERATIONS - 2)
    stop_after(first)
    assert run(*arguments, "--out", "parts") == 75
    assert len(records("parts")) == first
    stop_after(dice.randint(1, ITERATIONS - first - 1))
    assert resume("parts") == 75
    stop_after(ITERATIONS)
    assert resume("parts") == 0
    assert_same("parts", "whole")
    whole, parts = (
        json.loads(Path(each, "summary.json").read_text()) for each in ("whole", "parts")
    )
    assert parts["resumed_at"] > first
    for figure in ("completion_time", "ideal_completion_time", "loss", "communication_load"):
        assert parts[figure] == whole[figure]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
@pytest.mark.parametrize("name", ["lcc-mmc", "sgc"])
def test_an_iteration_that_is_broken_off_is_run_again(number, name, monkeypatch):
    arguments = options(name)
    assert run(*arguments, "--out", "whole") == 0
    deliver, left = SimulatedTransport._deliver, iter(range(40))

    def deliver_and_stop(self, peer, message):
        deliver(self, peer, message)
        if next(left, None) == 39:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(SimulatedTransport, "_deliver", deliver_and_stop)
    assert run(*arguments, "--out", "parts") == 75
    assert resume("parts") == 0
    assert_same("parts", "whole")


def test_a_trace_counts_blocks_as_before_from_elsewhere(stop_after, monkeypatch, tmp_path):
    np.save("t.npy", np.random.default_rng(0).uniform(0.1, 1, (5, 6)))
    given = options("uc-mmc", "--blocks", "24", "--load", "8", "--delay", "trace:t.npy,per=share")
    assert run(*given, "--out", "whole") == 0
    stop_after(5)
    assert run(*given, "--out", "parts") == 75
    monkeypatch.undo()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume("../parts") == 0
    assert_same("../parts", "../whole")


def test_what_is_said_names_the_folder(stop_after, capsys):
    stop_after(3)
    assert run(*options("gc"), "--out", "parts") == 75
    (line,) = capsys.readouterr().err.splitlines()
    assert "--resume parts goes on from there" in line


def test_a_finished_run_goes_on_with_more_iterations():
    assert run(*options("gc", "--iterations", "20"), "--out", "whole") == 0
    assert run(*options("gc"), "--out", "parts") == 0
    assert resume("parts", "--iterations", "20") == 0
    assert_same("parts", "whole")


def test_a_run_that_has_converged_does_nothing_more_when_its_results_are_written_again():
    run(*options("lcc-mmc", "--stop-at", "0.9", "--out", "run"))
    done = len(records("run"))
    assert 1 < done < 20
    Path("run/summary.json").unlink()
    assert resume("run", "--iterations", "50") == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["status"], summary["iterations"]) == ("converged", done)


def test_a_finished_run_has_nothing_left_to_do(capsys):
    assert run(*options("gc"), "--out", "parts") == 0
    assert resume("parts") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "all 12 iterations are done: ask for more with --iterations" in line


@pytest.fixture
def stopped(stop_after, monkeypatch):
    stop_after(5)
    assert run(*options("uc-mmc"), "--out", "parts") == 75
    monkeypatch.undo()


OTHER = {
    "scheme": "gc",
    "workers": "7",
    "blocks": "12",
    "load": "3",
    "tolerance": "0.1",
    "order": "last-first",
    "copies": "3",
    "shares": "equal",
    "combine": "always",
    "redundancy": "3.0",
    "wait": "all",
    "p": "0.5",
    "assignment": "balanced",
    "normalisation": "printed",
    "early_stop": "coset",
    "data": "synthetic:rows=62,features=8",
    "header": "no",
    "label": "price",
    "columns": "age,size",
    "format": "csv",
    "features": "8",
    "weights": "w.npy",
    "objective": "logistic",
    "ridge": "0.5",
    "intercept": True,
    "standardize": True,
    "optimizer": "nesterov",
    "step_size": "0.001",
    "batch": "0.5",
    "delay": "none",
    "dtype": "float32",
    "kernel": "gram",
    "guard": "100.0",
    "transport": "mpi",
    "seed": "1",
    "start": "r",
    "validation": "0.25",
}


def test_every_option_may_differ_or_not():
    assert {*OTHER, *HARMLESS} == {*RunConfig.__dataclass_fields__}


@pytest.mark.parametrize("option", OTHER)
def test_a_difference_that_matters_is_named(stopped, tmp_path, monkeypatch, capsys, option):
    monkeypatch.chdir(tmp_path)
    value = [] if OTHER[option] is True else [OTHER[option]]
    assert resume("parts", f"--{option.replace('_', '-')}", *value) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--{option.replace('_', '-')} {OTHER[option]} differs from the run's" in line
    assert "start a new run" in line
    assert len(records("parts")) == 5  # nothing is lost


@pytest.mark.parametrize(
    "harmless",
    [
        ["--stop-at", "1e-9"],
        ["--on-loss", "replan"],
        ["--checkpoint-every", "2"],
        ["--checkpoint-seconds", "0"],
        ["--replace"],
        ["--scheme", "uc-mmc", "--seed", "0"],  # the same as before
    ],
    ids=" ".join,
)
def test_a_difference_that_does_not_matter_is_accepted(stopped, tmp_path, monkeypatch, harmless):
    monkeypatch.chdir(tmp_path)
    assert resume("parts", *harmless) == 0
    assert len(records("parts")) == ITERATIONS


def test_with_another_number_of_workers_where_that_is_allowed(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*options("uc-mmc"), "--out", "whole") == 0
    assert resume("parts", "--workers", "8") == 2
    assert resume("parts", "--workers", "8", "--allow-different-workers") == 0
    log = records("parts")
    assert [record["iteration"] for record in log] == list(range(ITERATIONS))
    assert max(record["gradient_error"] for record in log) <= 1e-12
    np.testing.assert_allclose(np.load("parts/beta.npy"), np.load("whole/beta.npy"), rtol=1e-9)
    assert np.load("parts/arrivals-2.npz")["arrival"].shape[:2] == (7, 8)
    assert Path("parts/arrivals-1.f8").exists()  # of the part before
    run_read = read_run(Path("parts"))
    assert [stage.first for stage in run_read.stages] == [5]
    assert run_command_line(["report", "parts"]) == 0


def damage(path):
    path.write_bytes(path.read_bytes()[:-7])


def test_of_a_damaged_checkpoint_the_one_before_is_used_and_that_is_said(
    tmp_path, capsys, monkeypatch
):
    assert run(*options("lcc"), "--out", "whole") == 0
    assert run(*options("lcc", "--checkpoint-every", "5"), "--out", "parts") == 0
    last = max((tmp_path / "parts").glob("*.ckpt"))
    damage(last)
    capsys.readouterr()
    assert run_command_line(["run", "--resume", "parts"]) == 0
    err = capsys.readouterr().err
    assert f"warning: parts/{last.name} is damaged" in err
    assert "goes on after iteration 9" in err
    assert_same("parts", "whole")


@pytest.mark.parametrize(
    ("lost_at", "first", "stages"),
    [(1.5, [0, 7], [(0, 6)]), (0.4, [0, 2], [(0, 2), (2, 2), (4, 2)])],
    ids=["after the checkpoint", "before it"],
)
def test_of_a_plan_only_what_came_before_the_checkpoint_is_left(
    stop_after, monkeypatch, lost_at, first, stages
):
    arguments = options("uncoded", "--on-loss", "replan", "--checkpoint-every", "4")
    stop_after(8)
    with monkeypatch.context() as patch:
        lossy = partial(SimulatedTransport, losses={2: lost_at})
        patch.setattr(running, "SimulatedTransport", lossy)
        assert run(*arguments, "--out", "parts") == 75
    assert [stage.first for stage in read_run(Path("parts")).stages] == first
    damage(max(Path("parts").glob("*.ckpt")))
    stop_after(2)
    assert resume("parts") == 75
    read = read_run(Path("parts")).stages
    assert [(stage.first, len(stage.arrival)) for stage in read] == stages
    assert run_command_line(["report", "parts"]) == 0


def test_with_no_usable_checkpoint_it_starts_from_the_beginning_and_says_so(tmp_path, capsys):
    assert run(*options("sgc"), "--out", "whole") == 0
    assert run(*options("sgc", "--checkpoint-every", "5"), "--out", "parts") == 0
    for path in (tmp_path / "parts").glob("*.ckpt"):
        damage(path)
    capsys.readouterr()
    assert run_command_line(["run", "--resume", "parts"]) == 0
    err = capsys.readouterr().err
    assert err.count("is damaged") == 2
    assert "from the beginning" in err
    assert_same("parts", "whole")


def wait_for(pattern, process):
    """Wait until such a file is in the run folder."""
    while not any(Path("parts").glob(pattern)):
        assert process.poll() is None, process.communicate()
        time.sleep(1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [int(os.environ.get("CODED_DGD_KILLS", "10"))])
def test_a_job_killed_while_it_writes_a_checkpoint_can_always_go_on(kills):
    """SIGKILL as soon as the temporary file is there, again and again."""
    arguments = [
        "--scheme", "sgc", "--workers", "4", "--iterations", str(10 * kills), "--transport",
        "simulated", "--checkpoint-every", "1", "--data", "synthetic:rows=9,features=20000",
    ]  # fmt: skip
    command = [sys.executable, "-m", "coded_dgd.run", "--quiet"]
    assert subprocess.call([*command, *arguments, "--out", "whole"]) == 0
    last = 0
    for number in range(kills):
        more = [*arguments, "--out", "parts"] if not number else ["--resume", "parts"]
        for left_over in Path("parts").glob("*.tmp"):
            left_over.unlink()  # of the last kill
        with subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True) as process:
            wait_for("checkpoint-*.tmp", process)
            process.kill()
        checkpoint, complaints = latest(Path("parts"), lambda _: True)
        assert complaints == []
        iteration = checkpoint.iteration if checkpoint else 0
        assert iteration >= last  # what was there once is not lost
        last = iteration
    done = subprocess.run([*command, "--resume", "parts"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_same("parts", "whole")


@pytest.mark.parametrize("function", ["finish", "reopen"])
def test_a_run_killed_while_its_files_are_written_can_always_go_on(function):
    """SIGKILL at every line that ends a run, or goes on with one that had ended, again and again.

    Each time what goes on is what the one before has left.
    """
    assert run(*options("gc"), "--out", "parts") == 0
    total, line = ITERATIONS + 1, 0

    def go_on():
        return resume("parts", "--iterations", str(total))

    while dies_at_line(line, (run_folder, files), go_on, {function}):
        line += 5
        summary = Path("parts/summary.json")
        if summary.exists() and json.loads(summary.read_text())["iterations"] == total:
            total += 1  # it was killed after that
    assert line > 40
    assert run(*options("gc", "--iterations", str(total)), "--out", "whole") == 0
    assert_same("parts", "whole")
    assert not [*Path("parts").glob("*.f8"), *Path("parts").glob("*.tmp")]


def test_what_a_stage_is_is_written_whole_or_not_at_all():
    config = RunConfig(
        scheme="gc", workers=6, iterations=1, transport="simulated",
        data="synthetic:rows=61,features=8",
    )  # fmt: skip
    (stage,) = job.run(prepare(config, None), SimulatedTransport(6)).stages
    folder, line = Path(), 0
    while dies_at_line(line, (files, zipfile), lambda: stage.describe(folder)):
        for plan in folder.glob("plan-*.npz"):
            assert dict(np.load(plan))["workers"] == 6
            plan.unlink()
        line += 10
    assert line > 100
    assert [plan.name for plan in folder.iterdir()] == ["plan-1.npz"]


def test_arrivals_that_are_lost_are_not_known(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("parts/arrivals-1.f8").unlink()
    assert resume("parts") == 0
    arrival = np.load("parts/arrivals.npz")["arrival"]
    assert len(arrival) == ITERATIONS
    assert np.isnan(arrival[:5]).all()
    assert np.isfinite(arrival[5:]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a part"])
def test_results_that_an_end_cut_short_has_left_are_written_again(content):
    assert run(*options("gc"), "--out", "whole") == 0
    shutil.copytree("whole", "parts")
    Path("parts/summary.json").write_bytes(b'{"scheme"')
    Path("parts/beta.npy").write_bytes(content)
    Path("parts/arrivals.npz").write_bytes(content)
    assert resume("parts") == 0
    np.testing.assert_array_equal(np.load("parts/beta.npy"), np.load("whole/beta.npy"))
    assert np.isnan(np.load("parts/arrivals.npz")["arrival"]).all()
    assert json.loads(Path("parts/summary.json").read_text())["iterations"] == ITERATIONS


def test_what_came_after_a_run_was_resumed_is_kept_when_it_is_stopped(stop_after, tmp_path):
    assert run(*options("gc", "--iterations", "20"), "--out", "whole") == 0
    assert run(*options("gc"), "--out", "parts") == 0
    stop_after(4)
    assert resume("parts", "--iterations", "20") == 75
    stop_after(20)
    assert resume("parts") == 0
    assert_same("parts", "whole")


@pytest.mark.parametrize("missing", ["config.toml", "iterations.jsonl"])
def test_what_is_no_run_folder_is_refused(tmp_path, capsys, missing):
    assert run(*options("gc"), "--out", "parts") == 0
    (tmp_path / "parts" / missing).unlink()
    capsys.readouterr()
    assert resume("parts", "--iterations", "20") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no run folder" in line


def test_records_that_are_missing_rule_out_the_checkpoint(tmp_path, capsys):
    assert run(*options("gc", "--checkpoint-every", "5"), "--out", "parts") == 0
    path = tmp_path / "parts" / "iterations.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:11]))
    capsys.readouterr()
    assert run_command_line(["run", "--resume", "parts"]) == 0
    assert "does not fit the other files of its run" in capsys.readouterr().err
    assert len(records("parts")) == ITERATIONS


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('iterations = "12"', "iterations has to be a whole number, not '12'"),
        ("ridge = true", "ridge has to be a number, not True"),
        ("scheme = 3", "scheme has to be text, not 3"),
        ("data = []", r"data has to be text, not []"),
    ],
)
def test_values_of_the_configuration_are_of_their_types(
    stopped, tmp_path, monkeypatch, capsys, line, words
):
    monkeypatch.chdir(tmp_path)
    path = Path("parts/config.toml")
    name = line.partition(" ")[0]
    kept = [each for each in path.read_text().splitlines() if not each.startswith(f"{name} ")]
    path.write_text("\n".join([*kept, line]))
    assert resume("parts") == 2
    (said,) = capsys.readouterr().err.splitlines()[-1:]
    assert words in said


@pytest.mark.parametrize(
    "line",
    ["3", "{}", "[]", "{" * 9999, {"loss": "none"}, {"messages_used": True}, {"other": 1}],
    ids=lambda line: str(line)[:20],
)
def test_records_are_of_their_types(stopped, tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    path = Path("parts/iterations.jsonl")
    lines = path.read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), **line}) if isinstance(line, dict) else line
    path.write_text("".join(f"{each}\n" for each in lines))
    assert run_command_line(["run", "--resume", "parts"]) == 0
    assert "does not fit the other files of its run" in capsys.readouterr().err
    assert len(records("parts")) == ITERATIONS


def reseal(folder, **changed):
    """Write other values into the latest checkpoint."""
    checkpoint, _ = latest(Path(folder), lambda _: True)
    values = {
        name: value for name, value in {**checkpoint.values, **changed}.items() if value != {}
    }
    write(Path(folder), replace(checkpoint, values=values))


@pytest.mark.parametrize(
    "changed",
    [
        {"started": "6"}, {"started": 6.0}, {"workers": True}, {"stages": 0}, {"stages": -1},
        {"clock": float("nan")}, {"clock": float("inf")}, {"clock": None}, {"first_norm": "1"},
        {"scheme": []}, {"scheme": {"other": 1}}, {"scheme": {"missing": -1, "seen": 1}},
        {"scheme": {"missing": "1", "seen": 1}}, {"absences": [1]},
        {"absences": [[99, 0, 0.0, None]]},
        {"absences": [[0, 0, "0", None]]}, {"absences": 3}, {"losses": [{"peer": 1}]},
        {"losses": [[]]}, {"refused": [[1, "reason"]]}, {"refused": [[1, 2, 3]]}, {"refused": None},
        {"refused": {}}, {"clock": {}}, {"other": 3}, {"adaptations": [1]}, {"adaptations": 2},
        {"adaptations": [{"from": {}, "to": {}}]}, {"speeds": 1}, {"speeds": [[1.0] * 6]},
        {"speeds": [[1.0] * 6, []]}, {"speeds": [[1.0] * 5, [1.0] * 3, []]},
        {"speeds": [[1.0] * 6, [1.0] * 3, [1.0]]}, {"speeds": [[0.0] * 6, [1.0] * 3, []]},
        {"speeds": [[float("inf")] * 6, [1.0] * 3, []]}, {"speeds": [["1"] * 6, [1.0] * 3, []]},
        {"speeds": [[1.0] * 6, [1.0] * 2, []]}, {"speeds": [[1.0] * 6, [1.0, 1.0, -1.0], []]},
    ],
    ids=str,
)  # fmt: skip
def test_a_checkpoint_of_other_types_is_passed_over(stop_after, monkeypatch, capsys, changed):
    stop_after(5)
    assert run(*options("sgc"), "--out", "parts") == 75
    monkeypatch.setattr(Progress, "iteration", lambda self, record: None)
    reseal("parts", **changed)
    capsys.readouterr()
    assert run_command_line(["run", "--resume", "parts"]) == 0
    assert "does not fit the other files of its run" in capsys.readouterr().err
    assert len(records("parts")) == ITERATIONS


def test_refused_messages_of_all_parts_are_counted(stop_after, monkeypatch, capsys):
    deliver = SimulatedTransport._deliver

    def spoil(self, peer, message):
        if peer == 1:
            message[-1] = np.nan
        deliver(self, peer, message)

    monkeypatch.setattr(SimulatedTransport, "_deliver", spoil)
    assert run(*options("uc-mmc"), "--out", "whole") == 0
    stop_after(5)
    assert run(*options("uc-mmc"), "--out", "parts") == 75
    stop_after(ITERATIONS)
    capsys.readouterr()
    assert resume("parts") == 0
    whole, parts = (
        json.loads(Path(each, "summary.json").read_text())["refused_messages"]
        for each in ("whole", "parts")
    )
    assert whole[0]["rank"] == 2
    assert whole[0]["messages"] > 5
    assert parts == whole
    assert Path("parts/log.txt").read_text().count("messages of rank 2 are not used") == 2


def test_the_data_have_to_be_the_same(tmp_path, capsys):
    np.save("data.npy", np.random.default_rng(0).standard_normal((30, 5)))
    assert run(*options("gc", "--data", "data.npy"), "--out", "parts") == 0
    np.save("data.npy", np.random.default_rng(0).standard_normal((30, 4)))
    capsys.readouterr()
    before = shutil.copytree("parts", "before")
    assert resume("parts", "--iterations", "20") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the same data" in line
    assert records("parts") == records(before)
