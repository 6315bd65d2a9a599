"""``coded-dgd watch``, and what a run tells of itself while it goes on."""

import json
import re
import threading
from dataclasses import asdict

import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.engine.iteration import Iteration
from coded_dgd.runs import watching
from coded_dgd.runs.run_folder import read_log
from coded_dgd.runs.status import Status, duration
from coded_dgd.runs.summary import Distribution, Spread, Summary
from coded_dgd.runs.watching import Tail, watch

SMALL = ("--transport", "simulated", "--data", "synthetic:rows=61,features=8", "--workers", "4")


def record(iteration, live=4, heard=4, loss=1.5, seconds=0.25):
    others = [0] * 8
    return Iteration(
        iteration, seconds, 4, *others, 2.5, loss, workers_heard=heard, workers_live=live
    )  # fmt: skip


def watched(path, interval=0.01):
    """What is said of a run, and whether it has come to its end."""
    said = []
    return watch(path, interval, said.append), said


@pytest.fixture
def run(tmp_path):
    """A folder of a run that has just begun."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").write_text("iterations = 8\n")
    (folder / "iterations.jsonl").write_text("")
    return folder


def add(run, *records):
    with (run / "iterations.jsonl").open("a") as file:
        file.writelines(json.dumps(asdict(each)) + "\n" for each in records)


def end(run, log="", summary=None):
    if log:
        with (run / "log.txt").open("a") as file:
            file.write(f"2026-01-01 00:00:00.000 {log}\n")
    if summary:
        (run / "summary.json").write_text(json.dumps(summary))


TIMES = Distribution(mean=0.25, std=0.0, p50=0.25, p95=0.25, p99=0.25)
DONE = Summary(
    scheme="lcc-mmc",
    workers=4,
    blocks=4,
    load=2,
    iterations=8,
    status="done",
    transport="simulated",
    completion_time=TIMES,
    ideal_completion_time=None,
    expected_completion_time=None,
    communication_load=4.0,
    wasted_messages=0,
    weights_time=0.0,
    decode_time=0.0,
    update_time=0.0,
    error_amplification=Spread(1.0, 1.0),
    loss=1.0,
    wall_time=3.0,
    warnings=[],
    hosts={},
).to_json()


# Status


def test_status_tells_of_slow_and_lost_workers():
    status = Status()
    assert str(status) == ""
    status.add(record(0))
    assert str(status) == "loss 1.5, p50 0.2500 s, 4 live"
    status.add(record(1, live=3, heard=2, seconds=0.75))
    assert str(status) == "loss 1.5, p50 0.5000 s, 3 live, 1 slow, 1 lost"
    status.add(record(2, live=3, heard=4, loss=None))  # heard of one that was lost then
    assert str(status) == "gradient norm 2.5, p50 0.2500 s, 3 live, 1 lost"


def test_status_holds_what_was_planned_beside_what_is_measured():
    status = Status(planned=0.3)
    for iteration, seconds in enumerate((0.25, 0.25, 0.4)):
        status.add(record(iteration, seconds=seconds))
    assert str(status) == "loss 1.5, p50 0.2500 s, mean 0.3000 s (planned 0.3000), 4 live"


def test_status_is_of_the_recent_iterations():
    status = Status()
    for iteration in range(200):
        status.add(record(iteration, seconds=9.0 if iteration < 100 else 0.5))
    assert "p50 0.5000 s" in str(status)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (185, "3:05 min"), (7629, "2:07 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


# Watching


def test_a_finished_run_is_told_at_once(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run_command_line(["run", *SMALL, "--quiet", "--out", str(folder)]) == 0
    assert run_command_line(["watch", str(folder)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"iteration 100/100: loss [\d.]+, p50 [\d.]+ s, 4 live.*", first)
    summary = json.loads((folder / "summary.json").read_text())
    assert last.startswith(f"done after 100 iterations: loss {summary['loss']:.8g}, ")


def test_a_run_is_followed_until_it_ends(run):
    said = []
    steps = [
        *(lambda t=t: add(run, record(t, heard=3)) for t in range(1, 4)),
        lambda: end(run, log="rank 3 on a failed in iteration 4: gone"),
        *(lambda t=t: add(run, record(t, live=3, heard=3)) for t in range(4, 8)),
        lambda: end(run, summary=DONE),
    ]

    def say(line):
        said.append(line)
        if steps:
            steps.pop(0)()

    add(run, record(0))
    assert watch(run, 0.01, say)
    assert not steps
    assert said[0] == "iteration 1/8: loss 1.5, p50 0.2500 s, 4 live"
    assert any(line.endswith("rank 3 on a failed in iteration 4: gone") for line in said)
    assert any("1 lost" in line for line in said)
    told = [re.match(r"iteration (\d)/8: .* s left$", line) for line in said]
    assert [match[1] for match in told if match] == list("234567")
    assert said[-1].startswith("done after 8 iterations: loss 1,")


def test_a_run_that_ends_early_ends_the_watch_with_its_cause(run, capsys):
    add(run, record(0))
    end(run, log="ended early: diverged in iteration 1")
    assert run_command_line(["watch", str(run), "--interval", "0.05"]) == 1
    assert "ended early: diverged in iteration 1" in capsys.readouterr().out


def test_a_run_that_was_resumed_is_watched_on(run):
    add(run, record(0))
    end(run, log="ended early: stopped in iteration 1")
    end(run, log="resumed after 1 iterations")
    threading.Timer(0.1, lambda: end(run, summary=DONE)).start()
    finished, said = watched(run)
    assert finished
    assert said[-1].startswith("done")


def test_silence_is_told(run, monkeypatch):
    monkeypatch.setattr(watching, "SILENCE", 0.05)
    threading.Timer(0.3, lambda: end(run, summary=DONE)).start()
    _, said = watched(run)
    assert said.count("nothing new for 0 s") >= 2


def test_only_whole_lines_are_read(tmp_path):
    path = tmp_path / "file"
    tail = Tail(path)
    assert tail.lines() == []
    path.write_text("one\ntw")
    assert tail.lines() == ["one"]
    with path.open("a") as file:
        file.write("o\n")
    assert tail.lines() == ["two"]
    path.write_text("one\n")  # shorter than before
    assert tail.lines() == []
    tail.close()


def test_what_is_no_run_folder_is_refused(tmp_path, capsys):
    assert run_command_line(["watch", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is no run folder" in error


# What a run leaves for those who watch


def test_records_are_there_while_the_run_goes_on(tmp_path, monkeypatch):
    seen = []
    folder = tmp_path / "run"

    def look(progress, latest):
        seen.append(len(read_log(folder, latest.iteration + 1) or []))

    monkeypatch.setattr("coded_dgd.report.progress.Progress.iteration", look)
    arguments = ("--iterations", "5", "--quiet", "--out", str(folder))
    assert run_command_line(["run", *SMALL, *arguments]) == 0
    assert seen == [1, 2, 3, 4, 5]


def test_a_run_that_fails_says_so_in_its_log(tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ("--step-size", "10", "--quiet", "--out", str(folder))
    assert run_command_line(["run", *SMALL, *arguments]) == 3
    (line,) = (folder / "log.txt").read_text().splitlines()
    assert line[24:].startswith("ended early: diverged in iteration")
    finished, _ = watched(folder)
    assert not finished
