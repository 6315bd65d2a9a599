"""``coded-dgd info``."""

import json
import os

import click
import numpy
import pytest

from coded_dgd import __version__
from coded_dgd.cli import job_settings, run_command_line
from coded_dgd.cli.info import cautions
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


def test_without_mpiexec_it_tells_what_a_job_has(tmp_path, monkeypatch, capsys):
    mpiexec = tmp_path / "mpiexec"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    answer = {"fault_tolerance": "on", "yields_when_idle": True}
    for script, of, expected in (
        (f"echo '{json.dumps(answer)}'", "a job of mpiexec", "on"),
        ("exit 1", "this process alone", library.fault_tolerance()),
        ("sleep 60 & wait", "this process alone", library.fault_tolerance()),
    ):
        version = f"echo '{library.version()}'"
        mpiexec.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {version} && exit\n{script}\n')
        mpiexec.chmod(0o755)
        monkeypatch.setattr(job_settings, "SECONDS", 1.0)
        assert run_command_line(["info", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["settings_of"], found["fault_tolerance"]) == (of, expected)


def test_it_works_without_mpi(capsys, monkeypatch):
    def world():
        raise library.CodedDGDError("no MPI library can be loaded: install one")

    monkeypatch.setattr(library, "world", world)
    assert run_command_line(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mpi"] is None
    assert "install one" in found["mpi_error"]


@pytest.mark.parametrize(
    ("built", "blas"),
    [
        ({"blas_opt": {"libraries": ["blas", "cblas"]}}, "blas"),
        ({"blas_ilp64_opt": {"libraries": ["openblas64_"]}}, "openblas64_"),
        ({}, "unknown"),
    ],
)
def test_it_tells_the_blas_of_an_old_numpy(capsys, monkeypatch, built, blas):
    monkeypatch.setattr(numpy, "show_config", lambda: None)
    get_info = lambda name: built.get(name, {})  # noqa: E731
    monkeypatch.setattr(numpy.__config__, "get_info", get_info, raising=False)
    assert run_command_line(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blas"] == blas


@pytest.mark.parametrize("name", ["run", "theory", "simulate", "reproduce", "info"])
def test_every_command_has_help(name, capsys):
    assert run_command_line([name, "--help"]) == 0
    out = click.unstyle(capsys.readouterr().out)
    assert out.startswith(f"Usage: coded-dgd {name}")


FINE = {
    "mpi": "Open MPI v5.0.11",
    "mpiexec": "/usr/bin/mpiexec (mpiexec (Open MPI) 5.0.11)",
    "fault_tolerance": "on",
    "yields_when_idle": True,
    "blas_threads": 1,
    "ranks": 8,
    "hosts": {
        "node1": {"ranks": 4, "cores": 4, "clock_offset": None},
        "node2": {"ranks": 4, "cores": 4, "clock_offset": 0.002},
    },
}


def test_nothing_hurts():
    assert cautions(FINE) == []
    assert cautions({"mpi": None}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mpiexec": "/usr/bin/mpiexec (HYDRA build details:)"}, "mpiexec is of MPICH"),
        ({"fault_tolerance": "off"}, "fault tolerance is off"),
        ({"ranks": 9}, "1 ranks do not answer"),
        ({"blas_threads": 2}, "export OPENBLAS_NUM_THREADS=1"),
    ],
)
def test_what_hurts(change, words):
    told = cautions(FINE | change)
    assert len(told) == (2 if "blas_threads" in change else 1)  # of both hosts
    assert all(words in each for each in told)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"clock_offset": 3.21}, "the clock of node2 is 3.2 s ahead"),
        ({"clock_offset": -0.5}, "the clock of node2 is 0.5 s behind"),
        ({"cores": 2}, "4 ranks on 2 cores of node2"),
    ],
)
def test_what_hurts_on_a_host(host, words):
    hosts = FINE["hosts"] | {"node2": FINE["hosts"]["node2"] | host}
    (told,) = cautions(FINE | {"hosts": hosts})
    assert words in told


def test_spinning_where_there_are_too_many_ranks():
    hosts = {"node1": {"ranks": 8, "cores": 2, "clock_offset": None}}
    told = cautions(FINE | {"hosts": hosts, "yields_when_idle": False})
    assert len(told) == 2
    assert "export OMPI_MCA_mpi_yield_when_idle=1" in told[1]
