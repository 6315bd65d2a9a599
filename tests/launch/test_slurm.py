"""launch/slurm.sbatch in a Slurm that is started here: one machine that claims to have 48 cores."""

import csv
import json
import os
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import LAUNCH, run, until
from slurm import Slurm, ended, same_as_alone, srun_flavour, state, submit

pytestmark = [pytest.mark.mpi, pytest.mark.slow, pytest.mark.usefixtures("slurm")]


@pytest.fixture(scope="module")
def slurm():
    name = socket.gethostname().partition(".")[0]
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        yield Slurm({name: "127.0.0.1"}, 48, lambda _, command: command, folder, folder, stack)


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
    same_as_alone(folder, [*options, "--quiet"], 40)

    # A job that is run again after it is done leaves the result alone.
    again = submit(
        "--wait", "--output=again.out", LAUNCH / "slurm.sbatch", cwd=tmp_path, RUN=str(folder)
    )
    assert state(again) == "COMPLETED"
    assert "is finished" in (tmp_path / "again.out").read_text()


def test_a_run_without_its_master_is_queued_again(tmp_path):
    """Nothing but the script knows that it can go on."""
    options = ["--scheme", "lcc-mmc", "--iterations", "200", "--seed", "5", "--quiet"]
    job = submit(
        "--ntasks=5", "--output=job.out", LAUNCH / "slurm.sbatch", *options,
        "--checkpoint-every", "5", cwd=tmp_path, TMPDIR=str(tmp_path),
    )  # fmt: skip
    folder, out = tmp_path / f"runs/slurm-{job}", tmp_path / "job.out"
    until(lambda: len(list(folder.glob("checkpoint-*.ckpt"))) == 2, 60, "checkpoints")
    (told,) = tmp_path.glob("tmp.*/rank0")
    os.kill(int(told.read_text().split()[1]), signal.SIGKILL)
    until(lambda: state(job) == "PENDING", 60, "the job is queued again")
    assert "the run has not come to its end" in out.read_text()
    run("scontrol", "update", f"JobId={job}", "StartTime=now+10")
    ended(job, out)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["resumed_at"] >= 5
    same_as_alone(folder, options, 4)


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
    if flavour != srun_flavour():
        pytest.skip(f"srun --mpi={flavour} is for another MPI than this one")
    script = run(
        sys.executable, "-m", "coded_dgd", "launch", "slurm", "--ntasks", "4", "--srun", flavour,
        "--", "--scheme", "uc-mmc", "--load", "2", "--iterations", "5", "--quiet",
    )  # fmt: skip
    (tmp_path / "job.sh").write_text(script)
    job = submit("--output=job.out", "job.sh", cwd=tmp_path)
    ended(job, tmp_path / "job.out")
    assert json.loads((tmp_path / f"runs/slurm-{job}/summary.json").read_text())["workers"] == 3


def test_no_environment_is_said_in_one_line(tmp_path):
    job = submit(
        "--output=job.out", LAUNCH / "slurm.sbatch", cwd=tmp_path, VIRTUAL_ENV=str(tmp_path)
    )
    until(lambda: state(job) == "FAILED", 30, "the job fails")
    said = (tmp_path / "job.out").read_text()
    assert f"there is no {tmp_path}/bin/python" in said
    assert said.count("\n") == 1
