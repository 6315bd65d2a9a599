"""--batch from the command line to the report: one row and all rows are told apart everywhere."""

import json

import numpy as np
import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.config import RunConfig
from coded_dgd.config_file import read_toml, to_toml
from coded_dgd.engine.iteration import Iteration
from coded_dgd.problems import batches
from coded_dgd.runs.status import Status
from coded_dgd.values import plain

SMALL = [
    "--scheme", "uc-mmc", "--load", "2", "--workers", "5", "--transport", "simulated",
    "--data", "synthetic:rows=61,features=8", "--check-gradient",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return run_command_line(["run", *arguments])


@pytest.mark.parametrize(
    ("given", "size"), [(1, 1), (1.0, None), (0.5, 0.5), (7, 7), (np.int64(1), 1), ("1", 1)]
)
def test_whole_numbers_are_rows_and_others_fractions(tmp_path, given, size):
    config = RunConfig(**plain({"batch": given}))
    assert batches.parse(config.batch) == size
    (tmp_path / "config.toml").write_text(to_toml(config))
    assert read_toml(tmp_path / "config.toml")["batch"] == config.batch
    bare = "1.0" if given == 1.0 and isinstance(given, float) else str(given)
    (tmp_path / "own.toml").write_text(f"batch = {bare}\n")
    assert batches.parse(read_toml(tmp_path / "own.toml")["batch"]) == size
    assert batches.parse(json.loads(json.dumps(config.batch))) == size


def test_a_resumed_run_draws_the_batches_that_were_to_come():
    common = [*SMALL, "--batch", "0.3", "--quiet"]
    assert run(*common, "--iterations", "9", "--out", "whole") == 0
    assert run(*common, "--iterations", "4", "--out", "part") == 0
    assert run("--resume", "part", "--iterations", "9", "--quiet") == 0
    models = [np.load(f"{folder}/beta.npy") for folder in ("whole", "part")]
    np.testing.assert_array_equal(*models)


def test_a_resumed_run_keeps_its_batches(capsys):
    assert run(*SMALL, "--iterations", "3", "--batch", "0.3", "--out", "a", "--quiet") == 0
    assert run("--resume", "a", "--batch", "0.5", "--iterations", "5") == 2
    assert "--batch" in capsys.readouterr().err


def test_epochs_are_counted_in_progress_and_table(capsys):
    assert run(*SMALL, "--batch", "20", "--iterations", "6", "--out", "a", "--json") == 0
    out, err = capsys.readouterr()
    assert "gradients of batches of 20 of 61 rows: 3.05 iterations are an epoch" in err
    assert json.loads(out)["epochs"] == pytest.approx(6 * 20 / 61)
    assert run(*SMALL, "--batch", "20", "--iterations", "6", "--out", "b") == 0
    err = capsys.readouterr().err
    assert "1.967 in 6 iterations" in err
    assert "true gradient norm" in err  # the recorded one is that of a batch
    assert run_command_line(["report", "a"]) == 0
    assert "6 iterations (1.967 epochs)" in "".join(capsys.readouterr())


def test_epochs_are_not_named_without_batches(capsys):
    assert run(*SMALL, "--iterations", "6", "--out", "a") == 0
    assert "epoch" not in "".join(capsys.readouterr())


def test_the_status_counts_epochs():
    status = Status()
    status.epoch = 0.25
    status.add(Iteration(9, gradient_norm=2.0))
    assert str(status).startswith("epoch 2.5, gradient norm 2,")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--batch", "62"], 2, "--batch 62 is more than the 61 rows of the data"),
        (["--batch", "0"], 2, "--batch 0: give 1 row or more"),
        (["--batch=-1"], 2, "--batch -1: give 1 row or more"),
        (["--batch", "many"], 2, "--batch many: give a fraction"),
        (["--batch", "0.5", "--scheme", "lcc-mmc"], 2, "leave --batch out"),
        (["--batch", "0.5", "--kernel", "gram"], 2, "use --kernel auto"),
    ],
)
def test_refusals_are_one_line(capsys, options, code, words):
    assert run(*SMALL, *options) == code
    said = [line for line in capsys.readouterr().err.splitlines() if "coded-dgd" in line]
    assert words in said[-1]
