"""launch/apptainer.def without Apptainer: its sections are carried out in a Debian made here, and
its commands are run with a stand-in that does what matters: another root, all else the host's."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import CHECKOUT, run, user

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

APPTAINER = r"""#!/bin/bash
# apptainer exec|run [--bind FOLDER] [--env NAME=VALUE] IMAGE COMMAND...
set -eu
[ "$1" = mounted ] || exec unshare --mount "$0" mounted "$@"
program=$2
shift 2
bind=(/dev /proc /sys /tmp "$PWD") variables=()
while [[ $1 == --* ]]; do
    case $1 in
        --bind) bind+=("$2") ;;
        --env) variables+=("$2") ;;
    esac
    shift 2
done
image=$(readlink -f "$1")
shift
for folder in "${bind[@]}"; do
    mkdir -p "$image$folder"
    mount --rbind "$folder" "$image$folder"
done
[ "$program" = exec ] || set -- sh /runscript "$@"
exec chroot "$image" sh -c '. /environment; exec env -C "$@"' sh "$PWD" "${variables[@]}" "$@"
"""
DEFINITION = (CHECKOUT / "launch/apptainer.def").read_text()
COMMANDS = re.findall(r"^#     ((?:.+\\\n)*.+)", DEFINITION, re.M)  # of the comment at its top


@pytest.fixture(scope="module")
def prefix() -> Path:
    """Where the MPI is that takes the place of a cluster's."""
    folder = Path(shutil.which("mpiexec") or "/usr/bin/mpiexec").parents[1]
    if folder == Path("/usr"):
        pytest.skip("an MPI in /usr cannot be mounted, nor is it of the version in the image")
    return folder


@pytest.fixture(scope="module")
def mpi(prefix: Path) -> str:
    return "mpich" if "HYDRA" in run(prefix / "bin/mpiexec", "--version") else "openmpi"


@pytest.fixture(scope="module")
def place(debian: Path, mpi: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where coded_dgd.sif is, a folder here, and in bin the stand-in."""
    folder = tmp_path_factory.mktemp("apptainer")
    stand_in = folder / "bin/apptainer"
    stand_in.parent.mkdir()
    stand_in.write_text(APPTAINER)
    stand_in.chmod(0o755)
    image = folder / "coded_dgd.sif"
    image.mkdir()
    run("tar", "-xf", debian, "-C", image, "--exclude=./dev/*", timeout=120)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc") / name, image / "etc" / name)
    parts = re.split(r"^%(\w+)\n", DEFINITION, flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for source, target in re.findall(r"(\S+) (\S+)", sections["files"]):
        inside = image / target.lstrip("/")
        inside.parent.mkdir(exist_ok=True)
        run("cp", "-r", CHECKOUT / source, inside)
    assert sections["arguments"].split() == ["MPI=openmpi"]
    (image / "post").write_text(sections["post"].replace("{{ MPI }}", mpi))
    (image / "environment").write_text(sections["environment"])
    (image / "runscript").write_text(sections["runscript"])
    run(stand_in, "exec", image, "sh", "-ex", "/post", timeout=480, cwd=folder)
    yield folder
    shutil.rmtree(image)


@pytest.mark.parametrize("command", COMMANDS, ids=["alone", "hybrid", "bind"])
def test_five_ranks(command: str, place: Path, prefix: Path, mpi: str) -> None:
    """As the definition says it, with fewer ranks, and for the MPI at hand."""
    command = re.sub(r"-n \d+", "-n 5", command.replace("\\\n#", ""))
    command = command.replace("/opt/mpi", str(prefix)).replace("ABI=openmpi", f"ABI={mpi}")
    start, python, _ = command.rpartition(" python ")
    variables = user(PATH=f"{place}/bin:{os.environ['PATH']}")
    for name in ("LD_LIBRARY_PATH", "MPI4PY_MPIABI"):  # of the tests' own mpi4py
        variables.pop(name, None)

    def carry_out(command: str) -> str:
        return run("bash", "-c", command, timeout=120, cwd=place, env=variables)

    said = carry_out(f"{command} --load 2 --iterations 20 --json --quiet")
    (line,) = [line for line in said.splitlines() if line.startswith("{")]
    summary = json.loads(line)
    assert summary["status"] == "done"
    assert list(summary["hosts"].values()) == [[1, 2, 3, 4]]
    see = "import mpi4py.MPI; print(open('/proc/self/maps').read())"
    (folder,) = set(re.findall(r"(/\S+)/libmpi\.so", carry_out(f'{start}{python}-c "{see}"')))
    assert folder == f"{prefix if '--bind' in command else '/opt/coded_dgd'}/lib"
