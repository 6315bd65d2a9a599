"""launch/hosts.sh over three hosts: network namespaces with names, and sshd, of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from network import Network
from servers import LAUNCH, need, run, serving, until, user

pytestmark = pytest.mark.mpi

RANKS = {"host1": 3, "host2": 2, "host3": 2}  # of which the first is the master
ON_HOST_3 = [5, 6]
OPTIONS = ["--scheme", "lcc-mmc", "--load", "4", "--delay", "shifted-exponential:mu=20,alpha=0.01"]


class Hosts:
    """Three hosts with sshd."""

    def __init__(self, folder: Path, stack: ExitStack, slots: Mapping[str, int] = RANKS) -> None:
        self.folder, self.sshd = folder, {}
        self.network = Network(folder, stack)
        for key in ("key", "hostkey"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
        (folder / "hostfile").write_text(
            "".join(f"{name} slots={count}\n" for name, count in slots.items())
        )
        (folder / "bin").mkdir()
        ssh = folder / "bin/ssh"
        ssh.write_text(
            f"#!/bin/sh\nexec /usr/bin/ssh -i {folder}/key -o StrictHostKeyChecking=no "
            "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o SendEnv=PYTHONPATH "
            '"$@"\n'
        )
        ssh.chmod(0o755)
        Path("/run/sshd").mkdir(exist_ok=True)
        for name, address in self.network.address.items():
            sshd = [
                "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null",
                f"-oHostKey={folder}/hostkey", f"-oAuthorizedKeysFile={folder}/key.pub",
                "-oStrictModes=no", "-oPermitRootLogin=yes", "-oUsePAM=no", "-oAcceptEnv=*",
                f"-oPidFile={folder}/pid-{name}", f"-oListenAddress={address}", "-oMaxStartups=100",
            ]  # fmt: skip
            inside = self.network.on(name, sshd)
            self.sshd[name] = stack.enter_context(serving(*inside, log=folder / f"log-{name}"))
        for name in RANKS:
            until((folder / f"pid-{name}").exists, 10, f"sshd listens on {name}")

    def start(self, out: Path, *options: str, given: Sequence[str] = OPTIONS) -> subprocess.Popen:
        """Start a run on host1."""
        environment = user(RUN=str(out), UCX_TLS="tcp,self")
        environment["PATH"] = f"{self.folder}/bin:{environment['PATH']}"
        return subprocess.Popen(
            [
                "nsenter", "-t", str(self.sshd["host1"]), "-n", "-u", "-m",
                "env", "-C", str(out.parent), str(LAUNCH / "hosts.sh"),
                str(self.folder / "hostfile"), *given, "--quiet", *options,
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    need(["sshd", "ssh"], ["openssh-server", "openssh-client"])
    with ExitStack() as stack:
        yield Hosts(tmp_path_factory.mktemp("hosts"), stack)


@pytest.fixture
def out(tmp_path, hosts):
    """A run folder to be; afterwards no process is left of it, and all hosts are in reach."""
    folder = tmp_path / "run"
    yield folder
    for name in RANKS:
        hosts.network.mend(name)
    deadline = time.monotonic() + 15
    while (left := processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The result in virtual time, where nothing is lost."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(
        sys.executable, "-m", "coded_dgd.run", *OPTIONS, "--iterations", "120", "--quiet",
        "--transport", "simulated", "--workers", "6", "--out", folder,
    )  # fmt: skip
    return np.load(folder / "beta.npy")


@pytest.fixture(scope="module")
def fault_tolerance():
    asked = "from coded_dgd.engine.transports.mpi.library import fault_tolerance as f; print(f())"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env=user(OMPI_MCA_mpi_ft_enable="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stdout.strip() != "on":
        pytest.skip("this MPI ends a job that loses a process: no ULFM")


def processes(folder, rank=None):
    """Ids of the processes of a run, or of one rank of it."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            mine = str(folder).encode() in (path / "cmdline").read_bytes()
            if mine and rank is not None:
                mine = f"PMIX_RANK={rank}".encode() in (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine:
            found.append(int(path.name))
    return found


def iterations(folder):
    log = folder / "iterations.jsonl"
    return log.read_text().count("\n") if log.exists() else 0


def at(process, folder, iteration):
    """Wait until a run has come so far."""
    while iterations(folder) < iteration:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def finish(process, folder, whole, seconds=60):
    """Wait for the end; the result is that of a run that has lost nothing."""
    said, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    beta = np.load(folder / "beta.npy")
    assert np.linalg.norm(beta - whole) <= 1e-10 * np.linalg.norm(whole)
    return json.loads((folder / "summary.json").read_text()), said


@pytest.mark.slow
def test_three_hosts_and_a_slow_link(hosts, out, tmp_path):
    """The link shows in the times, and not in the results."""
    wide = ["--data", "synthetic:rows=60,features=500", "--scheme", "uncoded", "--delay", "none"]
    wide += ["--load", "1", "--iterations", "20"]
    found = {}
    for name in ("fast", "slow"):
        folder = tmp_path / "run" / name
        folder.parent.mkdir(exist_ok=True)
        if name == "slow":
            limit = ["rate", "500kbit", "burst", "16kb", "latency", "2s"]
            run("tc", "qdisc", "add", "dev", hosts.network.link["host3"], "root", "tbf", *limit)
        try:
            process = hosts.start(folder, *wide)
            said, _ = process.communicate(timeout=90)
        finally:
            if name == "slow":
                run("tc", "qdisc", "del", "dev", hosts.network.link["host3"], "root")
        assert process.returncode == 0, said
        found[name] = (
            json.loads((folder / "summary.json").read_text()),
            np.load(folder / "beta.npy"),
        )
    (fast, beta), (slow, same) = found["fast"], found["slow"]
    assert fast["hosts"] == {"host1": [1, 2], "host2": [3, 4], "host3": ON_HOST_3}
    # in an iteration, beta of 4 kB to two workers
    assert slow["completion_time"]["p50"] >= 2 * 4000 * 8 / 500e3 * 0.8
    assert fast["completion_time"]["p50"] < slow["completion_time"]["p50"] / 2
    assert np.linalg.norm(beta - same) <= 1e-10 * np.linalg.norm(beta)


@pytest.mark.slow
def test_a_worker_killed_on_another_host(hosts, out, whole, fault_tolerance):
    process = hosts.start(out, "--iterations", "120")
    at(process, out, 10)
    (pid,) = processes(out, rank=6)
    os.kill(pid, signal.SIGKILL)
    summary, _ = finish(process, out, whole)
    assert summary["workers_lost"] == [6]
    assert summary["losses"][0]["host"] == "host3"


@pytest.mark.slow
def test_a_host_cut_off_for_good(hosts, out, whole, fault_tolerance):
    process = hosts.start(out, "--iterations", "120", "--silence", "3")
    at(process, out, 10)
    hosts.network.cut("host3")
    summary, said = finish(process, out, whole, 90)
    assert summary["workers_lost"] == ON_HOST_3
    assert all("no sign of life for 3 s" in loss["cause"] for loss in summary["losses"])
    assert summary["status"] == "done"
    assert summary["shutdown_time"] < 2
    assert "cannot be reached: the job is ended" in said


@pytest.mark.slow
def test_a_host_that_comes_back_in_time_is_used_again(hosts, out, whole, fault_tolerance):
    process = hosts.start(out, "--iterations", "120", "--silence", "60")
    at(process, out, 10)
    hosts.network.cut("host3")
    time.sleep(2)
    hosts.network.mend("host3")
    summary, _ = finish(process, out, whole)
    assert summary["workers_lost"] == []
    with np.load(out / "arrivals.npz") as archive:
        arrived = ~np.isnan(archive["arrival"]).all(axis=2)  # iterations, workers
    assert arrived[-20:, 4:].any(axis=0).all()


def test_no_hostfile_is_one_line(tmp_path):
    done = subprocess.run(
        [LAUNCH / "hosts.sh", tmp_path / "none"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be read" in done.stderr
