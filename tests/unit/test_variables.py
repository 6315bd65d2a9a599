"""``CODED_DGD_...`` variables are options of commands, and none does nothing in silence."""

import pytest

from coded_dgd.cli import command, run_command_line
from coded_dgd.cli.variables import name_after_options

CONFIG = ["run", "--workers", "4", "--print-config"]


def test_mistyped_ones_are_named_and_refused(monkeypatch, capsys):
    monkeypatch.setenv("CODED_DGD_RUN_ITERATION", "7")
    monkeypatch.setenv("CODED_DGD_RUN_RIGDE", "3")
    for arguments in (CONFIG, ["report", "x"], ["info"]):
        assert run_command_line(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("coded-dgd: the environment sets CODED_DGD_RUN_ITERATION")
        assert "(did you mean CODED_DGD_RUN_ITERATIONS?)" in line
        assert "CODED_DGD_RUN_RIGDE (did you mean CODED_DGD_RUN_RIDGE?)" in line
    for arguments in (["run", "--help"], ["--version"], ["-h"]):
        assert run_command_line(arguments) == 0


@pytest.mark.parametrize(
    "name", ["CODED_DGD_ITERATIONS", "CODED_DGD_RUN", "CODED_DGD_RUN_", "CODED_DGD_run_ridge"]
)
def test_what_looks_like_one_is_none(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "")
    assert run_command_line(CONFIG) == 2
    assert f"{name}" in capsys.readouterr().err


def test_those_of_other_commands_and_of_no_option_are_known(monkeypatch, capsys):
    for name in (
        "CODED_DGD_COMPARE_LOAD", "CODED_DGD_TRACEBACK", "CODED_DGD_LAUNCHER_FOLDER",
        "CODED_DGD_TEST_CONTAINERS", "CODED_DGD_LAUNCH_SLURM_NODES",
    ):  # fmt: skip
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CODED_DGD_RUN_RIDGE", "3")
    assert run_command_line(CONFIG) == 0
    assert "ridge = 3.0" in capsys.readouterr().out


def test_they_are_called_as_options_are(monkeypatch, capsys):
    """Not after the argument of a function, which is as_json for ``--json``."""
    known = name_after_options(command)
    assert {"CODED_DGD_INFO_JSON", "CODED_DGD_INFO_AS_JSON", "CODED_DGD_PLAN_FROM"} <= known
    for name in ("CODED_DGD_INFO_JSON", "CODED_DGD_INFO_AS_JSON"):
        monkeypatch.setenv(name, "1")
        assert run_command_line(["info"]) == 0
        assert capsys.readouterr().out.startswith("{")
        monkeypatch.delenv(name)
