"""``coded-dgd plot`` and ``coded-dgd report``, end to end on small runs in virtual time."""

import base64
import json
import re
import shutil
import sys
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.report import gantt, pace, plots
from coded_dgd.report.pace import modified_z, outliers, paces
from coded_dgd.runs.reading import read_run
from coded_dgd.runs.recorded import StageArrivals
from coded_dgd.runs.run_folder import RunFolder

PICTURES = ["loss", "convergence", "completion", "workers", "messages", "amplification"]
SMALL = ("--transport", "simulated", "--data", "synthetic:rows=61,features=8", "--quiet")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of three runs, and a timeline of the first."""
    folder = tmp_path_factory.mktemp("runs")
    many = ("--workers", "8", "--load", "3", "--iterations", "12")
    wanted = {
        "plain": (*many, "--timeline", str(folder / "plain.json")),
        "straggler": (*many, "--scheme", "uc-mmc", "--delay", "persistent:ranks=3,factor=20"),
        "sgc": ("--workers", "6", "--scheme", "sgc", "--iterations", "12", "--delay", "none"),
    }
    for name, options in wanted.items():
        assert run_command_line(["run", *SMALL, *options, "--out", str(folder / name)]) == 0
    return folder


def said(capsys, *arguments, code=0):
    """Run a command; return what it has said on stdout, or the one line on stderr if it fails."""
    assert run_command_line([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    if code:
        assert not captured.out
        assert captured.err.count("\n") == 1
        return captured.err
    return captured.out


# Reading


def test_a_run_folder_is_read_back(runs):
    run = read_run(runs / "plain")
    assert len(run.log) == len(run.ideal) == 12
    np.testing.assert_allclose(run.column("completion_time"), run.ideal, rtol=1e-12)
    assert run.stages[0].arrival.shape == (12, 8, 3)
    assert run.stages[0].ranks.tolist() == list(range(1, 9))
    assert run.prediction.method == "exact"
    assert run.prediction.mean == run.summary.expected_completion_time
    assert np.isnan(run.column("gradient_error")).all()
    first = run.log[0]
    assert (first.workers_live, first.messages_used) == (8, 15)
    heard = np.isfinite(run.stages[0].arrival[0]).any(axis=1).sum()
    assert first.workers_heard == heard


def test_without_delays_there_is_nothing_to_compare_with(runs):
    run = read_run(runs / "sgc")
    assert (run.ideal, run.delay, run.prediction, run.uncoded) == (None,) * 4


def test_uncoded_on_the_same_delays_is_what_an_uncoded_run_takes(runs, tmp_path):
    options = ("--workers", "8", "--scheme", "uncoded", "--iterations", "12")
    assert run_command_line(["run", *SMALL, *options, "--out", str(tmp_path / "run")]) == 0
    uncoded = read_run(tmp_path / "run").column("completion_time")
    np.testing.assert_allclose(read_run(runs / "plain").uncoded, uncoded, rtol=1e-12)


# Pace


def test_pace_is_time_at_work_over_tasks_done():
    nan = np.nan
    arrival = np.array([[[1.0, 2.0], [2.0, nan], [nan, nan]], [[1.0, 3.0], [3.5, nan], [nan, nan]]])
    done = np.array([[1, 2], [1, 2], [1, 2]])
    stage = StageArrivals(0, arrival, done, np.array([1, 2, 7]))
    first, second, third = paces(stage, np.array([2.5, 3.0]))
    assert first.seconds == (2 + 3) / 4
    assert second.seconds == (2.5 + 3.5) / 2
    assert third.seconds == np.inf
    assert (first.silent, second.silent, third.silent) == (0, 0.5, 1)
    assert [each.rank for each in (first, second, third)] == [1, 2, 7]


def test_outliers_are_slow_throughout_and_by_a_lot():
    rng = np.random.default_rng(0)
    completion = np.full(200, 10.0)

    def flagged(factors):
        times = rng.exponential(0.1, (200, len(factors), 1)) + np.array(factors)[:, None]
        stage = StageArrivals(
            0, times, np.ones((len(factors), 1), int), np.arange(len(factors)) + 1
        )
        return [each.rank for each in outliers(paces(stage, completion))]

    assert flagged([1.0] * 20) == []
    assert flagged([1.0] * 10 + [3.0] + [1.0] * 8 + [2.0]) == [11, 20]
    assert flagged([1.0] * 19 + [1.1]) == []  # certain, but not by much
    assert flagged([1.0] * 19 + [0.2]) == []  # fast


def test_modified_z_scores():
    np.testing.assert_allclose(
        modified_z(np.exp([0.0, 1.0, 2.0, 3.0, 10.0])), 0.6745 * np.array([-2, -1, 0, 1, 8])
    )
    assert modified_z(np.array([1.0, 1.0, 1.0, 2.0])).tolist() == [0, 0, 0, np.inf]
    assert modified_z(np.array([1.0, 2.0, np.inf]))[2] == np.inf
    assert modified_z(np.array([1.0])).tolist() == [0]


# Plots


def test_pictures_of_one_run_are_beside_it(runs, capsys, tmp_path):
    run = shutil.copytree(runs / "plain", tmp_path / "run")
    said(capsys, "plot", run)
    found = {path.name for path in (run / "plots").iterdir()}
    assert found == {f"{name}.png" for name in PICTURES}
    for path in (run / "plots").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert 5_000 < path.stat().st_size < 200_000
    said(capsys, "plot", run)  # they may be drawn again


def test_pictures_of_several_runs_in_several_formats(runs, capsys, tmp_path):
    out = tmp_path / "new" / "folder"
    said(capsys, "plot", runs / "plain", runs / "sgc", "--out", out, "--format", "svg",
         "--format", "pdf")  # fmt: skip
    names = [name for name in PICTURES if name != "loss"]  # sgc does not know its loss
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{form}" for name in names for form in ("svg", "pdf")
    }
    assert "</svg>" in (out / "completion.svg").read_text()
    assert (out / "completion.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_plotted(runs):
    found = {plot.name: plot for plot in plots.plots([read_run(runs / "straggler")])}
    (completion,) = found["completion"].panels
    measured, ideal, formula = completion.series
    np.testing.assert_allclose(measured.x, ideal.x)
    assert measured.y[-1] == 1
    assert formula.label.endswith("closed form")
    assert formula.y[0] == 0 <= formula.y[-1] <= 1
    (workers,) = found["workers"].panels
    labels = [series.label for series in workers.series]
    assert labels == ["worker", "median", "nothing came (at the edge)"]
    assert workers.series[2].x.tolist() == [3]
    (messages,) = found["messages"].panels
    log = read_run(runs / "straggler").log
    assert messages.series[0].y[-1] == sum(record.messages_used for record in log)


def test_long_curves_are_thinned_and_end_where_they_end(runs, monkeypatch):
    monkeypatch.setattr(plots, "POINTS", 5)
    found = {plot.name: plot for plot in plots.plots([read_run(runs / "plain")])}
    series = found["convergence"].panels[0].series[0]
    assert series.x.tolist() == [2, 5, 8, 11]


# Timelines


def test_a_timeline_is_drawn(runs, capsys, tmp_path):
    said(capsys, "plot", "--timeline", runs / "plain.json", "--iterations", "3..5", "--out",
         tmp_path / "out", "--format", "svg")  # fmt: skip
    assert "</svg>" in (tmp_path / "out" / "plain-timeline.svg").read_text()


def test_what_a_chart_shows(runs):
    chart = gantt.read(runs / "plain.json", (4, 4))
    log = [json.loads(line) for line in (runs / "plain/iterations.jsonl").open()]
    assert chart.ranks == list(range(9))
    (decodable,) = chart.decodable
    assert decodable == pytest.approx(log[4]["completion_time"], abs=1e-6)
    assert sum(sent.used for sent in chart.sent) in (14, 15)  # the last leaves as the next begins
    for rank in range(1, 9):
        busy = sum(bar.length for bar in chart.bars if bar.rank == rank)
        assert busy <= chart.length + 1e-6
    kinds = {bar.what for bar in chart.bars if bar.rank}
    assert kinds <= {gantt.USED, gantt.WASTED, gantt.DROPPED}
    assert gantt.DROPPED in kinds


def test_by_default_the_iteration_of_median_length_is_shown(runs):
    chart = gantt.read(runs / "plain.json", None)
    log = [json.loads(line) for line in (runs / "plain/iterations.jsonl").open()]
    lengths = sorted(record["completion_time"] for record in log)
    assert chart.first == chart.last
    assert log[chart.first]["completion_time"] == lengths[6]


# Reports


def test_a_report_names_the_straggler_and_what_coding_saved(runs, capsys):
    text = said(capsys, "report", runs / "plain", runs / "straggler")
    plain, straggler = text.split("\n\n")
    assert "slow throughout   nobody (0.6745" in plain
    assert "rank 3: nothing ever came from it" in straggler
    for name, block in (("plain", plain), ("straggler", straggler)):
        run = read_run(runs / name)
        saved = (run.uncoded.mean() - run.summary.completion_time.mean) * 12
        assert saved > 0
        assert f"{saved:.2f} s in 12 iterations: on the same delays" in block
    assert "lost              nobody" in text


def test_a_report_names_lost_ranks(runs, capsys, tmp_path):
    run = shutil.copytree(runs / "plain", tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    loss = {"rank": 5, "host": "node7", "iteration": 3, "cause": "the process is gone"}
    (run / "summary.json").write_text(json.dumps({**summary, "losses": [loss]}))
    assert "rank 5 on node7 in iteration 3: the process is gone" in said(capsys, "report", run)


class Page(HTMLParser):
    """Notes tags that are not closed in order, and what a browser would load."""

    void = {"meta", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href"):
                self.sources.append(value)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_self_contained(runs, capsys, tmp_path):
    html = tmp_path / "page.html"
    out = said(capsys, "report", runs / "plain", runs / "straggler", "--html", html,
               "--timeline", runs / "plain.json", "--quiet")  # fmt: skip
    assert not out
    text = html.read_text()
    page = Page(text)
    assert not page.open
    assert len(page.sources) == 1 + len(PICTURES)
    for source in page.sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/svg+xml;base64"
        ElementTree.fromstring(base64.b64decode(data))
    assert not re.search(r"https?://", page.text)
    assert "url(" not in text
    for wanted in ("rank 3: nothing ever came", 'scheme = "uc-mmc"', "numpy", "messages per iter"):
        assert wanted in page.text


def test_what_is_written_in_a_page_is_escaped(runs, capsys, tmp_path):
    run = shutil.copytree(runs / "plain", tmp_path / "a<b")
    (run / "log.txt").write_text("<script>alert(1)</script>")
    said(capsys, "report", run, "--html", tmp_path / "page.html", "--quiet")
    text = (tmp_path / "page.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a&lt;b" in text


# Runs that are not finished


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Folder of a run that was killed while it wrote the record of iteration 9."""
    monkeypatch.setattr(RunFolder, "finish", lambda *_: None)
    options = ("--workers", "8", "--load", "3", "--iterations", "12", "--scheme", "uc-mmc")
    delay = ("--delay", "persistent:ranks=3,factor=20")
    run = tmp_path / "killed"
    assert run_command_line(["run", *SMALL, *options, *delay, "--out", str(run)]) == 0
    records = (run / "iterations.jsonl").read_text().splitlines()
    (run / "iterations.jsonl").write_text("\n".join([*records[:9], records[9][:40]]))
    return run


def test_a_killed_run_is_read_as_far_as_it_went(runs, killed):
    run, whole = read_run(killed), read_run(runs / "straggler")
    assert not run.finished
    np.testing.assert_array_equal(run.column("loss"), whole.column("loss")[:9])
    np.testing.assert_array_equal(run.stages[0].arrival, whole.stages[0].arrival[:9])
    np.testing.assert_array_equal(run.stages[0].tasks_done, whole.stages[0].tasks_done)
    assert run.stages[0].ranks.tolist() == list(range(1, 9))
    assert run.prediction.mean == whole.prediction.mean
    known = {name: getattr(run.summary, name) for name in ("scheme", "workers", "blocks", "load")}
    assert known.items() <= whole.summary.to_json().items()


def test_a_killed_run_is_reported_and_drawn_and_said_to_be_not_finished(killed, capsys, tmp_path):
    text = said(capsys, "report", killed, "--html", tmp_path / "page.html")
    assert "9 of 12 iterations, not finished: goes on, or was killed" in text
    assert "rank 3: nothing ever came from it" in text
    assert "lost              nobody so far" in text
    assert "not known before the run is finished" in text
    page = Page((tmp_path / "page.html").read_text())
    assert len(page.sources) == len(PICTURES)
    assert "9 of 12 iterations, not finished" in page.text
    assert run_command_line(["plot", str(killed)]) == 0
    assert "9 of 12 iterations, not finished" in capsys.readouterr().err
    assert {path.stem for path in (killed / "plots").iterdir()} == set(PICTURES)


def test_a_run_that_ended_early_says_why(capsys, tmp_path):
    arguments = ["run", *SMALL, "--workers", "4", "--load", "2", "--step-size", "1", "--out"]
    assert run_command_line([*arguments, str(tmp_path / "run")]) == 3
    capsys.readouterr()
    text = said(capsys, "report", tmp_path / "run")
    assert "of 100 iterations, ended early: diverged in iteration" in text


def test_without_the_arrivals_the_rest_is_shown(killed, capsys):
    for path in killed.glob("arrivals*"):
        path.write_bytes(b"")
    assert "not known: no arrivals are recorded" in said(capsys, "report", killed)
    said(capsys, "plot", killed)
    assert {path.stem for path in (killed / "plots").iterdir()} == {*PICTURES} - {"workers"}


def test_nothing_of_it_is_left_in_a_finished_folder(runs):
    assert not list((runs / "plain").glob("plan-*"))


# What theory says of schemes that are fitted to the data


def test_the_law_of_sgc_is_drawn_while_its_data_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", np.random.default_rng(0).standard_normal((61, 9)))
    options = ("--workers", "6", "--scheme", "sgc", "--wait", "fastest:4", "--iterations", "300")
    where = ("--data", "data.npy", "--out", "run", "--transport", "simulated", "--quiet")
    assert run_command_line(["run", *options, *where]) == 0
    run = read_run(Path("run"))
    times = np.sort(run.column("completion_time"))
    expected = np.array([run.prediction.cdf(t) for t in times])
    share = np.arange(1, 301) / 300
    assert run.prediction.method == "exact"
    assert np.abs(share - expected).max() < 1.63 / np.sqrt(300)  # Kolmogorov-Smirnov, 1%
    assert run.prediction.mean == run.summary.expected_completion_time
    np.save("data.npy", np.zeros((60, 9)))
    assert read_run(Path("run")).prediction is None  # other data
    Path("data.npy").unlink()
    assert read_run(Path("run")).prediction is None


# What is refused


@pytest.mark.parametrize("name", ["plot", "report"])
def test_what_is_no_run_is_refused(runs, capsys, tmp_path, name):
    error = said(capsys, name, tmp_path / "none", code=2)
    assert "is no run folder" in error
    run = shutil.copytree(runs / "plain", tmp_path / "run")
    (run / "arrivals.npz").write_bytes(b"damaged")
    assert "cannot be read" in said(capsys, name, run, code=2)
    (run / "summary.json").write_text("{")
    assert "cannot be read" in said(capsys, name, run, code=2)
    (run / "summary.json").unlink()
    assert "cannot be read" in said(capsys, name, run, code=2)
    (run / "iterations.jsonl").write_text("")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("plot",), "name run folders"),
        (("plot", "RUN", "--iterations", "3"), "give --timeline FILE"),
        (("plot", "--timeline", "none.json"), "No such file"),
        (("plot", "--timeline", "RUN/config.toml"), "is no timeline"),
        (("plot", "--timeline", "TIMELINE", "--iterations", "5..3"), "FIRST..LAST"),
        (("plot", "--timeline", "TIMELINE", "--iterations", "90"), "iterations 0 to 11"),
        (("plot", "RUN", "--out", "RUN/config.toml/plots"), "another folder with --out"),
        (("report", "RUN", "--timeline", "TIMELINE"), "give --html FILE"),
        (("report", "RUN", "--quiet", "--html", "RUN"), "name another file"),
    ],
)
def test_bad_options_are_refused(runs, capsys, arguments, expected):
    named = [
        each.replace("RUN", str(runs / "plain")).replace("TIMELINE", str(runs / "plain.json"))
        for each in arguments
    ]
    assert expected in said(capsys, *named, code=2)


def test_without_matplotlib(runs, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install matplotlib" in said(capsys, "plot", runs / "plain", code=2)
    html = tmp_path / "page.html"
    assert "nobody" in said(capsys, "report", runs / "plain", "--html", html)
    page = Page(html.read_text())
    assert "matplotlib was not installed" in page.text
    assert not page.sources


def test_the_rule_that_is_printed_is_the_rule(runs):
    assert f"{pace.THRESHOLD:g}" in pace.STATISTIC
    assert f"{pace.FACTOR:g} times" in pace.STATISTIC
    assert asdict(read_run(runs / "plain").log[0])["workers_heard"] > 0
