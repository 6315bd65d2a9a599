"""docker/Dockerfile built by podman, and docker/compose.yml run by docker-compose on podman."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import CHECKOUT, need, run, serving, until

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{0}/store"\nrunroot = "{0}/run"\n'
CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
compat_api_enforce_docker_hub = false
events_logger = "file"
runtime = "runc"
tmp_dir = "{folder}/tmp"
[network]
network_config_dir = "{folder}/networks"
network_backend = "netavark"
"""
MPI = os.environ.get("MPI", "openmpi")


def limit(resource: str, most: int) -> int:
    value = subprocess.run(
        ["bash", "-c", f"ulimit -H{resource}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return min(most, int(value)) if value.isdigit() else most


@pytest.fixture(scope="module")
def image(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image, and podman with a place of its own."""
    need(["podman", "runc"], ["podman", "runc", "netavark", "aardvark-dns", "iptables"])
    folder = tmp_path_factory.mktemp("podman")
    (folder / "storage.conf").write_text(STORAGE.format(folder))
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    (folder / "containers.conf").write_text(
        CONTAINERS.format(folder=folder, files=limit("n", 1 << 20), processes=limit("u", most))
    )
    dockerfile = CHECKOUT / "docker/Dockerfile"
    (base,) = re.findall("^ARG BASE=(.+)", dockerfile.read_text(), re.M)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("TMPDIR", str(folder))
        stack.callback(run, "podman", "system", "reset", "--force", timeout=120)
        run("podman", "import", "-q", debian, f"docker.io/library/{base}", timeout=120)
        run(
            "podman", "build", "--pull=never", "--format=docker", f"--build-arg=MPI={MPI}",
            "-t", "coded-dgd", "-f", dockerfile, CHECKOUT, timeout=480,
        )  # fmt: skip
        yield "localhost/coded-dgd"


Compose = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def compose(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """`docker-compose -f docker/compose.yml`, with podman in the place of the Docker engine."""
    need(["docker-compose"], ["docker-compose"])
    folder = tmp_path_factory.mktemp("compose")
    socket = folder / "podman.sock"

    def compose(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker-compose", "-p", "coded-dgd-test", "-f", "docker/compose.yml", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DOCKER_HOST": f"unix://{socket}", "MPI": MPI, **variables},
            cwd=CHECKOUT,
            text=True,
            timeout=240,
            check=False,
        )

    service = ("podman", "system", "service", "--time=0", f"unix://{socket}")
    with serving(*service, log=folder / "service.log"):
        until(socket.exists, 30, "podman serves")
        yield compose
        compose("down", "--volumes", "--timeout=1")


UP = ("up", "--build", "--exit-code-from", "master")


def test_the_main_job_in_one_container(image: str) -> None:
    said = run(
        "podman", "run", "--rm", "--network=none", image, "mpiexec", "-n", "41", "python", "-m",
        "coded_dgd.run", "--scheme", "lcc-mmc", "--iterations", "20", timeout=180,
    )  # fmt: skip
    assert "lcc-mmc on 40 workers (mpi)" in said
    assert "measured / ideal" in said


def test_a_container_for_each_rank_of_the_hosts_mpiexec(image: str) -> None:
    """The hybrid model of launch/apptainer.def."""
    if MPI != "openmpi" or "Open MPI) 5" not in run("mpiexec", "--version"):
        pytest.skip("it takes Open MPI 5 on both sides; for MPICH there is test_apptainer.py")
    said = run(
        "mpiexec", "-n", "5", "podman", "run", "--rm", "--network=host", "--ipc=host",
        "--pid=host", "--env-host", "--volume=/tmp:/tmp", "--user=root", "--entrypoint=", image,
        "/opt/coded_dgd/bin/python", "-m", "coded_dgd.run", "--iterations", "5", timeout=120,
    )  # fmt: skip
    assert "on 4 workers (mpi)" in said


def test_it_is_not_root_and_has_no_compiler(image: str) -> None:
    assert run("podman", "run", "--rm", image, "id", "-un").split()[-1] == "coded"
    has = subprocess.run(["podman", "run", "--rm", image, "which", "gcc", "cc"], check=False)
    assert has.returncode != 0


def test_it_is_small(image: str) -> None:
    size = int(run("podman", "image", "inspect", "--format={{.Size}}", image))
    assert size < 400e6


def test_three_hosts_and_a_run_folder_that_outlives_them(compose: Compose) -> None:
    options = "--scheme lcc-mmc --load 4 --iterations 20 --json --quiet"
    done = compose(*UP, RUN="runs/first", RUN_OPTIONS=options)
    assert done.returncode == 0, done.stdout
    (said,) = re.findall(r"^\S*master\S* .*?(\{.+\})$", done.stdout, re.M)
    summary = json.loads(said)
    assert summary["status"] == "done"
    assert summary["hosts"] == {"master": [1, 2], "worker1": [3, 4, 5], "worker2": [6, 7, 8]}
    compose("rm", "--force")
    again = compose(*UP, RUN="runs/first")
    assert again.returncode == 0, again.stdout
    assert "runs/first is finished" in again.stdout


def test_the_exit_code_is_that_of_the_run(compose: Compose) -> None:
    done = compose(*UP, RUN_OPTIONS="--scheme nonsense")
    assert "unknown scheme 'nonsense'" in done.stdout
    assert done.returncode == 2
