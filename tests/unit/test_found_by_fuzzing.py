"""What fuzzing has found, one small case each: one line and exit code 2, or a result."""

import json
import shutil
from pathlib import Path

import pytest

from coded_dgd import cli
from coded_dgd.cli import run_command_line
from coded_dgd.problems.sources import base

SIMULATED = [
    "--transport", "simulated", "--workers", "3", "--iterations", "3", "--quiet", "--data",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    arguments = [*SIMULATED, "synthetic:rows=9,features=2", "--out", str(folder)]
    assert run_command_line(["run", *arguments]) == 0
    return folder


def refused(capsys, *arguments):
    """The one line that is said."""
    capsys.readouterr()
    assert run_command_line([*arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coded-dgd: ")
    return line


@pytest.mark.parametrize("value", ["1e101", "-1e200", "1e308"])
@pytest.mark.parametrize("scheme", ["uc-mmc", "lcc-mmc", "mds-mmc"])
def test_values_whose_squares_overflow(capsys, value, scheme):
    Path("large.csv").write_text(f"1,2,3\n4,{value},6\n7,8,9\n")
    line = refused(capsys, "run", *SIMULATED, "large.csv", "--scheme", scheme)
    assert "large.csv, row 2, column 2: " in line
    assert "is larger than 1e+100, and its square overflows: scale the data" in line


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", ["1e-160", "1e-200", "5e-324"])
def test_values_whose_squares_underflow(capsys, value):
    Path("small.csv").write_text(f"0,0,0,1\n0,{value},0,1\n0,0,0,2\n")
    line = refused(capsys, "run", *SIMULATED, "small.csv", "--scheme", "uc-mmc", "--json")
    assert "whose square float64 cannot hold well: scale the data" in line


def test_more_features_than_memory(capsys, monkeypatch):
    monkeypatch.setattr(base, "memory", lambda: 2**34)
    Path("wide.svm").write_text(f"1 {2**31 - 1}:1\n")
    line = refused(capsys, "run", *SIMULATED, "wide.svm")
    assert "1 rows x 2147483647 features do not fit in memory (17.2 GB dense)" in line


@pytest.mark.parametrize("command", [["report"], ["watch"], ["plot"], ["run", "--resume"]])
@pytest.mark.parametrize("path", ["9" * 5000, "nowhere"])
def test_a_path_that_cannot_be(capsys, command, path):
    assert "is no run folder" in refused(capsys, *command, path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04K\x01."])
@pytest.mark.parametrize("file", ["arrivals.npz", "ideal.npy"])
def test_results_that_are_damaged(capsys, finished, file, content):
    shutil.copytree(finished, "run")
    Path("run", file).write_bytes(content)
    assert "run cannot be read (" in refused(capsys, "report", "run")


@pytest.mark.parametrize(
    "damage",
    [
        {"workers": None}, {"workers": "3"}, {"completion_time": {}}, {"completion_time": 3},
        {"ideal_completion_time": {"mean": 1}}, {"losses": [{}]}, {"losses": 1}, {"warnings": [1]},
        {"hosts": []}, {"scheme": 1}, {"wasted_messages": "1"}, {"load": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_summary_that_is_damaged(capsys, finished, damage):
    shutil.copytree(finished, "run")
    path = Path("run/summary.json")
    summary = {**json.loads(path.read_text()), **damage}
    path.write_text(json.dumps(summary))
    assert "run cannot be read (" in refused(capsys, "report", "run")


@pytest.mark.parametrize("damage", [{"completion_time": 1.5}, {"loss": "x"}, {"wall_time": None}])
def test_watching_a_run_whose_summary_is_damaged(capsys, finished, damage):
    shutil.copytree(finished, "run")
    path = Path("run/summary.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    assert run_command_line(["watch", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "done"


@pytest.mark.parametrize("line", ["3", "[]", "{}", "x", '{"iteration": "0"}', "[" * 9999])
def test_records_that_are_damaged(capsys, finished, line):
    shutil.copytree(finished, "run")
    with Path("run/iterations.jsonl").open("a") as file:
        file.write(f"{line}\n")
    assert "iterations.jsonl is damaged" in refused(capsys, "watch", "run")


@pytest.mark.parametrize(
    "event",
    [
        {"ts": 1.0}, {"ts": "1", "tid": 0, "name": "iteration 0"}, {"tid": "zero"}, {"tid": {}}, 3,
        {"ts": 1, "tid": 0, "name": 3}, {"ts": 1, "tid": 1, "name": "send"},
        {"ts": 1, "tid": 1, "name": "send", "args": 3}, {},
    ],
    ids=str,
)  # fmt: skip
def test_a_timeline_that_is_damaged(capsys, finished, event):
    start = {"tid": 0, "ts": 0.0, "dur": 1.0, "name": "iteration 0", "args": {"iteration": 0}}
    trace = {"otherData": {"program": "coded-dgd"}, "traceEvents": [start, event]}
    Path("timeline.json").write_text(json.dumps(trace))
    more = ["--html", "page.html", "--timeline", "timeline.json"]
    assert "is no timeline" in refused(capsys, "report", str(finished), *more)


def test_the_guard_asks_mds_mmc_for_more(capsys):
    data = ["synthetic:rows=40,features=6", "--blocks", "6", "--guard", "3", "--check-gradient"]
    arguments = [*SIMULATED, *data, "--workers", "6", "--load", "2", "--iterations", "20", "--json"]
    assert run_command_line(["run", "--scheme", "mds-mmc", *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["extra_messages"] > 0
    assert result["gradient_error"]["max"] < 1e-9


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--workers", "9" * 20], "--workers has to be 100000 or less"),
        (["run", "--blocks", "9" * 20], "--blocks has to be 100000 or less"),
        (["run", "--load", "100001"], "--load has to be 100000 or less"),
        (["run", "--iterations", "9" * 20], "--iterations has to be 1000000000 or less"),
        (["run", "--checkpoint-every", "9" * 20], "--checkpoint-every has to be"),
        (["simulate", "--load", "1..99999999999"], "--load '1..99999999999': give a number"),
        (["theory", "--cdf", "1e308"], "--cdf '1e308': give instants in seconds"),
        (["simulate", "--delay", "shifted-exponential:mu=1e308"], "mu = 1e+308 is out of range"),
        (
            ["simulate", "--delay", "shifted-exponential:alpha=1e200"],
            "alpha = 1e+200 is out of range",
        ),
        (["simulate", "--delay", "bernoulli:slow=1e-200,fast=0"], "slow = 1e-200 is out of range"),
    ],
)
def test_numbers_out_of_range(capsys, arguments, says):
    assert says in refused(capsys, *arguments)


def test_a_run_in_which_nothing_arrives_is_told_of(capsys):
    arguments = [*SIMULATED, "synthetic:rows=9,features=2", "--out", "run", "--scheme", "sgc"]
    assert run_command_line(["run", *arguments, "--wait", "deadline:1e-9"]) == 0
    assert run_command_line(["report", "run"]) == 0
    assert "0 of 0 messages came too late (0.0%)" in capsys.readouterr().out


def test_memory_that_is_not_there_is_no_error_of_ours(capsys, monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(cli.command, "invoke", refuse)
    assert run_command_line(["info"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "more memory than there is: ask for less" in line


@pytest.mark.parametrize("option", ["--timeline", "--log-dir", "--out"])
def test_a_name_that_is_too_long_for_a_file(capsys, option):
    line = refused(capsys, "run", *SIMULATED, "synthetic:rows=9,features=2", option, "x" * 5000)
    assert "x" * 5000 in line


def test_a_file_name_that_is_not_text(capsys):
    line = refused(capsys, "run", *SIMULATED, "\udc80")
    assert "--data '\\udc80' is not valid UTF-8: rename the file" in line


def test_more_realisations_than_anybody_can_wait_for(capsys):
    line = refused(capsys, "simulate", "--workers", "3", "--realisations", "9" * 20)
    assert "--realisations" in line


PLANNED = [
    "plan", "--transport", "simulated", "--workers", "3", "--iterations", "2", "--probe", "2",
    "--load", "1", "--data", "synthetic:rows=20,features=3", "--quiet",
]  # fmt: skip


def test_plans_check_the_optimizer(capsys):
    assert "unknown --optimizer 'dg'" in refused(capsys, *PLANNED, "--optimizer", "dg")


def test_plans_without_a_guard_are_recorded_and_made_again(capsys):
    assert run_command_line([*PLANNED, "--guard", "inf", "--json"]) == 0
    Path("plan.json").write_text(capsys.readouterr().out)
    assert json.loads(Path("plan.json").read_text())["inputs"]["config"]["guard"] is None
    assert run_command_line(["plan", "--from", "plan.json", "--json"]) == 0
    assert "--guard inf" in capsys.readouterr().err


def test_no_path_at_all_is_nothing_to_collect(capsys):
    assert "name others" in refused(capsys, "collect", "9" * 5000)


@pytest.mark.filterwarnings("error")
def test_no_plan_for_a_step_that_diverges(capsys):
    assert "gradients diverge with this --step-size" in refused(
        capsys, *PLANNED, "--step-size", "1e308"
    )
