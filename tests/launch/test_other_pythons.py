"""launch/local.sh with the oldest and the newest Python that are declared, where they are found."""

import json
import os
import shutil
import subprocess

import pytest
from servers import CHECKOUT

pytestmark = [pytest.mark.mpi, pytest.mark.slow]


def finds(name):
    """Whether the scripts find an interpreter of that name that runs."""
    script = f'set -eu; . "{CHECKOUT}/launch/setup.sh"; "$(interpreter {name})" -c ""'
    return not subprocess.run(["bash", "-c", script], capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", ["python3.10", "python3.13"])
def test_local_sh_sets_up_and_trains(tmp_path, name):
    if not finds(name):
        pytest.skip(f"there is no {name} on PATH or in pyenv that runs")
    for part in ("coded_dgd", "launch", "pyproject.toml", "README.md"):
        copy = shutil.copytree if (CHECKOUT / part).is_dir() else shutil.copy
        copy(CHECKOUT / part, tmp_path / part)
    environment = {**os.environ, "PYTHON": name, "WORKERS": "4"}
    for variable in ("VIRTUAL_ENV", "MPIEXEC", "PYTHONPATH"):
        environment.pop(variable, None)
    done = subprocess.run(
        ["launch/local.sh", "--iterations", "5", "--json", "--quiet", "--out", "run"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    (library,) = (tmp_path / ".venv/lib").glob("python*")
    assert library.name == name
