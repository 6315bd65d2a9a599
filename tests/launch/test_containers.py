"""docker/Dockerfile, built by podman on a Debian made here: no registry is needed, nor a daemon."""

import json
import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import CHECKOUT, need, run

WANTED = "CODED_DGD_TEST_CONTAINERS"

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        not shutil.which("podman") and WANTED not in os.environ,
        reason=f"no podman; {WANTED}=1 installs it and builds an image (3 minutes)",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a Debian to build on"),
]

STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{0}/store"\nrunroot = "{0}/run"\n'
CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
NETWORK, KEYS = "coded-dgd-test", "coded-dgd-test-keys"


def limit(resource, most):
    value = subprocess.run(
        ["bash", "-c", f"ulimit -H{resource}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return min(most, int(value)) if value.isdigit() else most


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image, and podman with a place of its own."""
    need(
        ["podman", "mmdebstrap", "runc"],
        ["podman", "mmdebstrap", "runc", "netavark", "aardvark-dns", "iptables"],
    )
    folder = tmp_path_factory.mktemp("podman")
    (folder / "storage.conf").write_text(STORAGE.format(folder))
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    (folder / "containers.conf").write_text(
        CONTAINERS.format(files=limit("n", 1 << 20), processes=limit("u", most))
    )
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("TMPDIR", str(folder))
        base = folder / "base.tar"
        run(
            "mmdebstrap", "-q", "--variant=minbase", "--include=ca-certificates", "bookworm", base,
            timeout=240,
        )  # fmt: skip
        run("podman", "import", "-q", base, "localhost/base:test", timeout=120)
        stack.callback(run, "podman", "system", "reset", "--force", timeout=120)
        base.unlink()
        # what pip needs on this machine is mounted: it does not get into the image
        (folder / "pip.conf").write_text("[global]\ncert = /run/host.crt\ntimeout = 180\n")
        mounts = [f"{CERTIFICATES}:/run/host.crt:ro", f"{folder}/pip.conf:/etc/pip.conf:ro"]
        run(
            "podman", "build", "--pull=never", "--network=host",
            *[word for mount in mounts for word in ("--volume", mount)],
            "--build-arg", "BASE=localhost/base:test", "--build-arg",
            f"MPI={os.environ.get('MPI', 'openmpi')}", "-t", "localhost/coded-dgd:test",
            "-f", CHECKOUT / "docker/Dockerfile", CHECKOUT, timeout=480,
        )  # fmt: skip
        yield "localhost/coded-dgd:test"


def test_the_main_job_in_one_container(image):
    said = run(
        "podman", "run", "--rm", "--network=none", image, "mpiexec", "-n", "41", "python", "-m",
        "coded_dgd.run", "--scheme", "lcc-mmc", "--iterations", "20", timeout=180,
    )  # fmt: skip
    assert "lcc-mmc on 40 workers (mpi)" in said
    assert "measured / ideal" in said


def test_it_is_not_root_and_has_no_compiler(image):
    assert run("podman", "run", "--rm", image, "id", "-un").split()[-1] == "coded"
    has = subprocess.run(["podman", "run", "--rm", image, "which", "gcc", "cc"], check=False)
    assert has.returncode != 0


def test_three_containers_by_ssh(image):
    """As docker/compose.yml has it: two that serve, and one with the master."""
    compose = (CHECKOUT / "docker/compose.yml").read_text()
    command = ["serve.sh", "hostfile", "coded-dgd-hosts", "hostfile"]
    assert f"command: {' '.join(command)} " in compose
    common = ["--network", NETWORK, "--volume", f"{KEYS}:/home/coded/.ssh"]
    with ExitStack() as stack:
        run("podman", "network", "create", NETWORK)
        stack.callback(run, "podman", "network", "rm", "-f", NETWORK)
        run("podman", "volume", "create", KEYS)
        stack.callback(run, "podman", "volume", "rm", "-f", KEYS)
        for name in ("worker1", "worker2"):
            run(
                "podman",
                "run",
                "-d",
                "--name",
                name,
                "--hostname",
                name,
                *common,
                image,
                "serve.sh",
            )
            stack.callback(run, "podman", "rm", "-f", "-t", "1", name)
        said = run(
            "podman", "run", "--rm", "--name", "master", "--hostname", "master", *common,
            "--volume", f"{CHECKOUT}/docker/hostfile:/home/coded/hostfile:ro", image, *command,
            "--scheme", "lcc-mmc", "--load", "4", "--iterations", "20", "--json", "--quiet",
            timeout=120,
        )  # fmt: skip
    (line,) = [line for line in said.splitlines() if line.startswith("{")]
    summary = json.loads(line)
    assert summary["status"] == "done"
    assert summary["hosts"] == {"master": [1, 2], "worker1": [3, 4, 5], "worker2": [6, 7, 8]}
