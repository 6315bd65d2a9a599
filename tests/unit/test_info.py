"""``coded-dgd info``."""

import json

import click
import numpy
import pytest

from coded_dgd import __version__
from coded_dgd.cli import run_command_line
from coded_dgd.engine.transports.mpi import library


def test_it_tells_versions_and_parts(capsys):
    assert run_command_line(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == __version__
    assert found["numpy"] == numpy.__version__
    assert found["ranks"] == 1
    assert found["fault_tolerance"] in ("on", "off", "none")
    assert {"lcc-mmc", "sgc"} <= set(found["schemes"])
    assert run_command_line(["info"]) == 0
    assert f"numpy             {numpy.__version__}" in capsys.readouterr().out


def test_it_works_without_mpi(capsys, monkeypatch):
    def world():
        raise library.CodedDGDError("no MPI library can be loaded: install one")

    monkeypatch.setattr(library, "world", world)
    assert run_command_line(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mpi"] is None
    assert "install one" in found["mpi_error"]


@pytest.mark.parametrize("name", ["run", "theory", "simulate", "reproduce", "info"])
def test_every_command_has_help(name, capsys):
    assert run_command_line([name, "--help"]) == 0
    out = click.unstyle(capsys.readouterr().out)
    assert out.startswith(f"Usage: coded-dgd {name}")
