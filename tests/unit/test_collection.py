"""``coded-dgd collect``."""

import csv

import pytest

from coded_dgd.cli import run_command_line


@pytest.fixture
def runs(tmp_path):
    for scheme in ("uc-mmc", "gc"):
        for seed in ("2", "10"):
            options = ["--scheme", scheme, "--load", "2", "--workers", "4", "--seed", seed]
            options += ["--iterations", "3", "--out", str(tmp_path / f"runs/{scheme}-{seed}")]
            assert run_command_line(["run", "--transport", "simulated", "--quiet", *options]) == 0
    return tmp_path / "runs"


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_run_in_order(runs, tmp_path, capsys):
    assert run_command_line(["collect", str(runs), "--csv", str(tmp_path / "t.csv")]) == 0
    table = rows(tmp_path / "t.csv")
    assert [(row["scheme"], row["seed"]) for row in table] == [
        ("gc", "2"), ("gc", "10"), ("uc-mmc", "2"), ("uc-mmc", "10"),
    ]  # fmt: skip
    for row in table:
        assert (row["workers"], row["load"], row["iterations"]) == ("4", "2", "3")
        assert float(row["mean"]) == pytest.approx(float(row["ideal"]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["run", "scheme", "workers"]
    assert len(lines) == 5


def test_a_run_that_is_not_finished_is_there(runs, tmp_path, capsys):
    (runs / "gc-2/summary.json").unlink()
    command = ["collect", str(runs / "gc-2"), str(runs / "gc-10"), "--csv", str(tmp_path / "t.csv")]
    assert run_command_line(command) == 0
    unfinished, done = rows(tmp_path / "t.csv")
    assert (unfinished["status"], unfinished["mean"]) == ("unfinished", "")
    assert done["status"] == "done"
    assert "unfinished" in capsys.readouterr().out


def test_a_folder_without_runs(tmp_path, capsys):
    assert run_command_line(["collect", str(tmp_path)]) == 2
    assert "no run folder" in capsys.readouterr().err


def test_a_summary_that_is_damaged(runs, capsys):
    (runs / "gc-2/summary.json").write_text("{")
    assert run_command_line(["collect", str(runs)]) == 2
    assert "gc-2/summary.json" in capsys.readouterr().err
