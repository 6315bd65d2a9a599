"""launch/slurm.sbatch in a Slurm of three nodes: hosts in network namespaces."""

import json
import sys
import tempfile
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest
from network import Network
from servers import LAUNCH, run, until
from slurm import Slurm, ended, idle, same_as_alone, srun_flavour, state, steps, submit

from coded_dgd.batch.slurm import slurm_script

pytestmark = [pytest.mark.mpi, pytest.mark.slow, pytest.mark.usefixtures("slurm")]


@pytest.fixture(scope="module")
def network():
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Network(Path(folder), stack)


@pytest.fixture(scope="module")
def slurm(network):
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Slurm(network.address, 16, network.on, Path(folder), network.own, stack)


@pytest.mark.parametrize("launcher", ["mpiexec", "srun"])
def test_three_nodes(tmp_path, launcher):
    """A batch script on the first, ranks on all, and the result of virtual time."""
    script = LAUNCH / "slurm.sbatch"
    if launcher == "srun":
        script = tmp_path / "job.sh"
        script.write_text(slurm_script(srun=srun_flavour(), environment=sys.prefix))
    options = ["--scheme", "lcc-mmc", "--iterations", "20", "--seed", "5", "--quiet"]
    job = submit("--nodes=3", "--ntasks=13", "--output=job.out", script, *options, cwd=tmp_path)
    ended(job, tmp_path / "job.out")
    folder = tmp_path / f"runs/slurm-{job}"
    hosts = json.loads((folder / "summary.json").read_text())["hosts"]
    assert sorted(hosts) == ["host1", "host2", "host3"]
    assert sorted(chain.from_iterable(hosts.values())) == list(range(1, 13))
    same_as_alone(folder, options, 12)


def test_a_node_that_is_lost(tmp_path, network):
    """Slurm queues the job again; it goes on from its checkpoint when the node is back."""
    options = ["--scheme", "lcc-mmc", "--iterations", "300", "--seed", "5", "--quiet"]
    often = ["--checkpoint-every", "5"]
    job = submit(
        "--nodes=3", "--ntasks=13", "--output=job.out", LAUNCH / "slurm.sbatch", *options, *often,
        cwd=tmp_path,
    )  # fmt: skip
    folder, out = tmp_path / f"runs/slurm-{job}", tmp_path / "job.out"
    until(lambda: len(list(folder.glob("checkpoint-*.ckpt"))) == 2, 60, "checkpoints")
    network.cut("host3")
    try:
        until(lambda: state(job) == "PENDING", 90, "the job is queued again")
    finally:
        network.mend("host3")
    until(lambda: idle() == 3 and not steps(job), 60, "the node is back, and has ended its part")
    # It would wait for two minutes, and needs some seconds: Slurm has to forget the old part, too.
    run("scontrol", "update", f"JobId={job}", "StartTime=now+10")
    ended(job, out)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["resumed_at"] >= 5
    assert summary["workers_lost"] == []
    same_as_alone(folder, options, 12)
