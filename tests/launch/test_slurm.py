"""launch/slurm.sbatch in a Slurm that is started here: one machine that claims to have 48 cores."""

import csv
import getpass
import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from servers import LAUNCH, need, run, serving, until, user

pytestmark = [pytest.mark.mpi, pytest.mark.usefixtures("slurm")]

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=48 RealMemory=1000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def slurm():
    need(
        ["slurmctld", "slurmd", "sbatch", "munged"],
        ["slurm-wlm", "slurm-wlm-basic-plugins", "munge", "libpmix-dev"],
    )
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)  # short: the path of a socket may have 108 letters
        for each in ("state", "spool"):
            (folder / each).mkdir()
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(
            host=host, folder=folder, user=getpass.getuser(), ports=free_ports(2)
        )
        (folder / "slurm.conf").write_text(text)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            stack.enter_context(
                serving(
                    "munged", "--foreground", "--force", f"--key-file={key}",
                    f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
                    f"--seed-file={folder}/munge.seed", log=folder / "log",
                )
            )  # fmt: skip
            until((folder / "munge.socket").exists, 10, "munged listens")
            stack.enter_context(serving("slurmctld", "-D", log=folder / "log"))
            stack.enter_context(serving("slurmd", "-D", "-N", host, log=folder / "log"))

            def idle():
                state = ["sinfo", "-h", "-o", "%T"]
                return "idle" in subprocess.run(state, capture_output=True, text=True).stdout

            try:
                until(idle, 30, "the node is there")
            except AssertionError:
                said = (folder / "log").read_text()
                if os.geteuid() != 0:
                    pytest.skip(f"this Slurm needs root: {said.splitlines()[-1]}")
                raise AssertionError(said) from None
            try:
                yield
            finally:
                subprocess.run(["scancel", "--user", getpass.getuser()], check=False)


def submit(*arguments, cwd, **env):
    said = run("sbatch", *arguments, cwd=cwd, env=user(**env))
    return said.split()[-1]


def state(job):
    """The state of a job, and of one that is over its last."""
    said = run("scontrol", "show", "job", job, "--oneliner")
    fields = dict(word.partition("=")[::2] for word in said.split())
    return fields["JobState"]


def test_stopped_by_the_time_limit_and_gone_on_with(tmp_path):
    """41 ranks; Slurm's shortest limit is a minute, and it looks at it every half a minute."""
    options = ["--scheme", "lcc-mmc", "--iterations", "400", "--check-gradient", "--seed", "5"]
    job = submit(
        "--time=1", "--signal=B:USR2@10", "--output=job.out", LAUNCH / "slurm.sbatch", *options,
        "--quiet", cwd=tmp_path,
    )  # fmt: skip
    folder, out = tmp_path / f"runs/slurm-{job}", tmp_path / "job.out"

    until(lambda: "goes on from there" in (out.read_text() if out.exists() else ""), 90, "stop")
    (checkpoint,) = folder.glob("checkpoint-*.ckpt")
    done = int(checkpoint.stem.partition("-")[2])
    assert 0 < done < 400
    until(lambda: state(job) == "PENDING", 30, "the job is queued again")
    # Slurm would wait for two minutes.
    run("scontrol", "update", f"JobId={job}", "TimeLimit=10", "StartTime=now")
    until(lambda: state(job) == "COMPLETED", 150, out.read_text())

    summary = json.loads((folder / "summary.json").read_text())
    assert summary["workers"] == 40
    assert summary["resumed_at"] == done
    assert summary["iterations"] == 400
    assert out.read_text().count("goes on from there") == 1  # appended, not written over
    whole = tmp_path / "whole"
    alone = [sys.executable, "-m", "coded_dgd.run", *options, "--quiet", "--out", whole]
    run(*alone, "--transport", "simulated", "--workers", "40", cwd=tmp_path)
    beta, expected = (np.load(each / "beta.npy") for each in (folder, whole))
    assert np.linalg.norm(beta - expected) <= 1e-10 * np.linalg.norm(expected)

    # A job that is run again after it is done leaves the result alone.
    again = submit(
        "--wait", "--output=again.out", LAUNCH / "slurm.sbatch", cwd=tmp_path, RUN=str(folder)
    )
    assert state(again) == "COMPLETED"
    assert "is finished" in (tmp_path / "again.out").read_text()


def test_an_array_of_jobs_makes_one_table(tmp_path):
    script = run(
        sys.executable, "-m", "coded_dgd", "launch", "slurm", "--ntasks", "4",
        "--sweep", "scheme=uc-mmc,gc", "--sweep", "seed=1,2", "--", "--load", "2",
        "--iterations", "5", "--quiet",
    )  # fmt: skip
    (tmp_path / "sweep.sh").write_text(script)
    submit("--wait", "sweep.sh", cwd=tmp_path)
    said = run(sys.executable, "-m", "coded_dgd", "collect", "runs", "--csv", "t.csv", cwd=tmp_path)
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [(row["scheme"], row["seed"], row["workers"], row["status"]) for row in rows]
    assert found == [
        (scheme, seed, "3", "done") for scheme in ("gc", "uc-mmc") for seed in ("1", "2")
    ]
    assert len(said.splitlines()) == 5


@pytest.mark.parametrize("flavour", ["pmix", "pmi2"])
def test_srun_in_place_of_mpiexec(tmp_path, flavour):
    mpi = run(sys.executable, "-c", "from mpi4py import MPI; print(MPI.Get_library_version())")
    if ("Open MPI" in mpi) != (flavour == "pmix"):
        pytest.skip(f"srun --mpi={flavour} is for another MPI than this one")
    script = run(
        sys.executable, "-m", "coded_dgd", "launch", "slurm", "--ntasks", "4", "--srun", flavour,
        "--", "--scheme", "uc-mmc", "--load", "2", "--iterations", "5", "--quiet",
    )  # fmt: skip
    (tmp_path / "job.sh").write_text(script)
    job = submit("--output=job.out", "job.sh", cwd=tmp_path)
    until(lambda: state(job) not in ("PENDING", "RUNNING", "COMPLETING"), 60, "the job ends")
    assert state(job) == "COMPLETED", (tmp_path / "job.out").read_text()
    assert json.loads((tmp_path / f"runs/slurm-{job}/summary.json").read_text())["workers"] == 3


def test_no_environment_is_said_in_one_line(tmp_path):
    job = submit(
        "--output=job.out", LAUNCH / "slurm.sbatch", cwd=tmp_path, VIRTUAL_ENV=str(tmp_path)
    )
    until(lambda: state(job) == "FAILED", 30, "the job fails")
    said = (tmp_path / "job.out").read_text()
    assert f"there is no {tmp_path}/bin/python" in said
    assert said.count("\n") == 1
