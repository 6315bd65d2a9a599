"""A run folder as a trace stands for the arrivals in it."""

from pathlib import Path

import numpy as np
import pytest

from coded_dgd import delays
from coded_dgd.cli import run_command_line
from coded_dgd.errors import DataError

RUN = (
    "run", "--transport", "simulated", "--workers", "4", "--data", "synthetic:rows=31,features=3",
    "--iterations", "5", "--quiet",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("per", ["", ",per=share"])
@pytest.mark.parametrize("folder", ["first", "first.csv"])
def test_a_folder_is_replayed_as_its_arrivals_are(folder, per):
    blocks = ("--scheme", "uc-mmc", "--load", "3", "--blocks", "8")
    assert run_command_line([*RUN, *blocks, "--out", folder]) == 0
    model = delays.create(f"trace:{folder}{per}", 0)
    other = delays.create(f"trace:{folder}/arrivals.npz{per}", 0)
    np.testing.assert_array_equal(model.times, other.times)
    assert (model.unit, model.share, model.per) == (other.unit, other.share, other.per)


def test_a_run_on_a_run_folder_repeats_it():
    assert run_command_line([*RUN, "--scheme", "uncoded", "--out", "first"]) == 0
    again = (*RUN, "--scheme", "uncoded", "--delay", "trace:first,per=share", "--out", "second")
    assert run_command_line(again) == 0
    np.testing.assert_allclose(np.load("second/ideal.npy"), np.load("first/ideal.npy"))


def test_a_run_that_is_not_finished_has_no_arrivals_yet(capsys):
    assert run_command_line([*RUN, "--scheme", "uncoded", "--out", "first"]) == 0
    Path("first/arrivals.npz").unlink()
    with pytest.raises(DataError, match=r"trace first: the folder has no arrivals\.npz.*--resume"):
        delays.create("trace:first", 0)
    capsys.readouterr()
    assert run_command_line([*RUN, "--scheme", "uncoded", "--delay", "trace:first"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coded-dgd: trace first: ")
