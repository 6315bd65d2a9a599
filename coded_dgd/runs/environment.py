"""This module describes the software and the machine that a run used."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

from coded_dgd._version import __version__
from coded_dgd.host.process import host_name
from coded_dgd.host.threads import threads


def environment(transport: str) -> dict[str, Any]:
    """Return the versions of the software and a description of rank 0's host."""
    found: dict[str, Any] = {
        "coded_dgd": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "scipy")},
        "host": host_name(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cores": os.cpu_count(),
        "blas_threads": threads().number,
    }
    if transport == "mpi":
        from coded_dgd.engine.transports.mpi import library

        found |= {"mpi4py": metadata.version("mpi4py"), "mpi": library.version()}
    return found
