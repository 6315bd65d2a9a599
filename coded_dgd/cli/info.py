"""``coded-dgd info``: what this installation can do."""

from __future__ import annotations

import json
import platform
import socket
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import click

from coded_dgd import __version__, delays, schemes
from coded_dgd.cli import options
from coded_dgd.errors import CodedDGDError

EXTRAS = {"matplotlib": "plots", "h5py": "--data file.h5"}


@click.command()
@options.as_json
def info(as_json: bool) -> None:
    """Tell what this installation can do: MPI, fault tolerance, optional parts.

    Under mpiexec it tells of the job as well.
    """
    found: dict[str, Any] = {
        "version": __version__,
        "python": platform.python_version(),
        "host": socket.gethostname(),
        **{name: metadata.version(name) for name in ("numpy", "scipy", "click")},
        **_mpi(),
        **{name: find_spec(name) is not None for name in EXTRAS},
        "schemes": schemes.names(),
        "delays": delays.names(),
    }
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        text = ", ".join(value) if isinstance(value, list) else value
        if name in EXTRAS:
            text = f"yes ({EXTRAS[name]})" if value else f"no ({EXTRAS[name]} not possible)"
        click.echo(f"{name.replace('_', ' '):<18}{text}")


def _mpi() -> dict[str, Any]:
    try:
        from coded_dgd.engine.transports.mpi import library

        world = library.world()
    except CodedDGDError as error:
        return {"mpi": None, "mpi_error": str(error)}
    return {
        "mpi4py": metadata.version("mpi4py"),
        "mpi": library.version(),
        "ranks": world.size,
        "fault_tolerance": library.fault_tolerance(),
    }
