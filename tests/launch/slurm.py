"""A Slurm that is started here, and jobs in it."""

import getpass
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from servers import need, run, serving, until, user

CONFIGURATION = """
ClusterName=test
SlurmctldHost={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
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
SlurmdTimeout=10
NodeName=DEFAULT CPUs={cores} RealMemory=1000 State=UNKNOWN
{nodes}
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


class Slurm:
    """A controller, which is on the first node, and nodes, as long as the stack is open.

    Parameters
    ----------
    nodes : dict of str
        Addresses by name.
    cores : int
        That each node claims to have.
    on : callable
        Turns a command into one that runs it on the node of that name.
    folder : Path
        Short: the path of a socket may have 108 letters.
    own : Path
        A folder that is another one on each node.
    """

    def __init__(self, nodes, cores, on, folder, own, stack):
        need(
            ["slurmctld", "slurmd", "sbatch", "munged"],
            ["slurm-wlm", "slurm-wlm-basic-plugins", "munge", "libpmix-dev"],
        )
        log = folder / "log"
        (folder / "state").mkdir()
        first = next(iter(nodes))
        text = CONFIGURATION.format(
            controller=f"{first}({nodes[first]})",
            nodes="\n".join(f"NodeName={name} NodeAddr={at}" for name, at in nodes.items()),
            cores=cores, folder=folder, user=getpass.getuser(), ports=free_ports(2),
        )  # fmt: skip
        (folder / "slurm.conf").write_text(text)
        (folder / "mpi.conf").write_text(f"PMIxCliTmpDirBase={own}\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        munged = [
            "munged", "--foreground", "--force", f"--key-file={key}",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
            f"--seed-file={folder}/munge.seed",
        ]  # fmt: skip
        stack.enter_context(serving(*munged, log=log))
        until((folder / "munge.socket").exists, 10, "munged listens")
        stack.enter_context(serving(*on(first, ["slurmctld", "-D"]), log=log))
        for name in nodes:
            slurmd = ["slurmd", "-D", "-N", name]
            stack.enter_context(serving(*on(name, slurmd), log=log))
        try:
            until(lambda: idle() == len(nodes), 30, "the nodes are there")
        except AssertionError:
            said = log.read_text()
            if os.geteuid() != 0:
                pytest.skip(f"this Slurm needs root: {said.splitlines()[-1]}")
            raise AssertionError(said) from None
        cancel = ["scancel", "--user", getpass.getuser()]
        stack.callback(subprocess.run, cancel, check=False)


def idle():
    """Number of nodes that wait for a job."""
    asked = ["sinfo", "-h", "-N", "-t", "idle", "-o", "%n"]
    return len(subprocess.run(asked, capture_output=True, text=True).stdout.split())


def submit(*arguments, cwd, **env):
    said = run("sbatch", *arguments, cwd=cwd, env=user(**env))
    return said.split()[-1]


def state(job):
    """The state of a job, and of one that is over its last."""
    said = run("scontrol", "show", "job", job, "--oneliner")
    fields = dict(word.partition("=")[::2] for word in said.split())
    return fields["JobState"]


def steps(job):
    """What runs of a job on any node."""
    running = run("ps", "-e", "-o", "args=").splitlines()
    return [line for line in running if line.startswith(f"slurmstepd: [{job}.")]


def srun_flavour():
    """What srun is told as --mpi for the MPI of this environment."""
    mpi = run(sys.executable, "-c", "from mpi4py import MPI; print(MPI.Get_library_version())")
    return "pmix" if "Open MPI" in mpi else "pmi2"


def ended(job, out):
    """Wait for the end of a job that has to succeed."""
    until(lambda: state(job) not in ("PENDING", "RUNNING", "COMPLETING"), 90, "the job ends")
    assert state(job) == "COMPLETED", out.read_text()


def same_as_alone(folder, options, workers):
    """The result of a run is that of virtual time."""
    whole = folder.parent / "whole"
    alone = [sys.executable, "-m", "coded_dgd.run", *options, "--out", whole]
    run(*alone, "--transport", "simulated", "--workers", str(workers))
    beta, expected = (np.load(each / "beta.npy") for each in (folder, whole))
    assert np.linalg.norm(beta - expected) <= 1e-10 * np.linalg.norm(expected)
