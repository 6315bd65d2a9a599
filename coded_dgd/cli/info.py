"""``coded-dgd info`` shows the capabilities of this installation."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import click
import numpy as np

from coded_dgd import delays, schemes
from coded_dgd._version import __version__
from coded_dgd.cli import options
from coded_dgd.cli.job_settings import of_a_job
from coded_dgd.errors import CodedDGDError
from coded_dgd.host.launcher import launch as launched
from coded_dgd.host.process import cores, host_name
from coded_dgd.host.threads import BY_SHARE, threads

EXTRAS = {"matplotlib": "plots", "h5py": "--data file.h5", "pyarrow": "trace bytedance"}
ALONE = "this process alone"
"""Owner of the reported settings if mpiexec cannot start a job."""
ANSWER_SECONDS = 10.0
"""Maximum time in seconds in which a worker must report its host."""
CLOCK_SECONDS = 0.1
"""Difference of two clocks, in seconds, from which on a warning is printed."""


@click.command()
@options.as_json
def info(as_json: bool) -> None:
    """Tell what this installation can do: MPI, fault tolerance, optional parts.

    Under mpiexec it tells of the job as well: hosts, ranks and clocks. Without, it starts a job of
    one process to learn what jobs will have switched on. It warns of what will hurt.
    """
    found: dict[str, Any] = {
        "version": __version__,
        "python": platform.python_version(),
        "host": host_name(),
        "cores": cores(),
        **{name: metadata.version(name) for name in ("numpy", "scipy", "click")},
        **_blas(),
        **_mpi(),
        **{name: find_spec(name) is not None for name in EXTRAS},
        "schemes": schemes.names(),
        "delays": delays.names(),
    }
    found["warnings"] = cautions(found)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        if name == "hosts":
            for host, each in value.items():
                text = f"{each['ranks']} ranks on {each['cores']} cores"
                if each["clock_offset"] is not None:
                    text += f", clock {each['clock_offset']:+.3f} s"
                click.echo(f"{'  ' + host:<18}{text}")
        elif name == "warnings":
            for each in value:
                click.echo(f"warning: {each}")
        else:
            text = ", ".join(value) if isinstance(value, list) else value
            if value is None or isinstance(value, bool):
                text = {True: "yes", False: "no", None: "-"}[value]
            if name in EXTRAS:
                text = f"yes ({EXTRAS[name]})" if value else f"no ({EXTRAS[name]} not possible)"
            click.echo(f"{name.replace('_', ' '):<18}{text}")


def _blas() -> dict[str, Any]:
    number, variable = threads()
    return {
        "blas": _blas_library(),
        "blas_threads": number,
        "blas_threads_by": variable or BY_SHARE,
    }


def _blas_library() -> str:
    """Return the name of the BLAS library with which numpy was built, and its version if known."""
    try:
        build: Any = np.show_config(mode="dicts")
    except TypeError:  # numpy before 1.26
        config: Any = np.__config__
        found = config.get_info("blas_opt") or config.get_info("blas_ilp64_opt")
        return str(found.get("libraries", ["unknown"])[0])
    blas = build["Build Dependencies"]["blas"]
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _mpi() -> dict[str, Any]:
    try:
        from coded_dgd.engine.transports.mpi import library

        world = library.world()
    except CodedDGDError as error:
        return {"mpi": None, "mpi_error": str(error)}
    settings = None if launched() else _of_a_job(library.version())
    return {
        "mpi4py": metadata.version("mpi4py"),
        "mpi": library.version(),
        "mpiexec": _mpiexec(),
        "thread_level": library.thread_level(),
        **(
            settings
            or {
                "fault_tolerance": library.fault_tolerance(),
                "yields_when_idle": library.yields_when_idle(),
            }
        ),
        "settings_of": "a job of mpiexec" if settings or launched() else ALONE,
        "ranks": world.size,
        "hosts": _hosts(world.size),
    }


def _of_a_job(mpi: str) -> dict[str, Any] | None:
    """Return the MPI settings of a job; None if no mpiexec of that MPI starts one."""
    path = shutil.which("mpiexec")
    if path is None or _family(mpi) != _family(_mpiexec() or ""):
        return None
    return of_a_job(path)


def _mpiexec() -> str | None:
    """Return path and version of the first mpiexec in PATH; None if PATH has none."""
    path = shutil.which("mpiexec")
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return path
    first = next((line for line in done.stdout.splitlines() if line.strip()), "")
    return f"{path} ({' '.join(first.split())})"


def _hosts(ranks: int) -> dict[str, dict[str, Any]]:
    """Return the ranks, cores and clock offset of each host.

    The offset of a host's clock is in seconds, relative to the clock of rank 0.
    """
    here = host_name()
    hosts: dict[str, dict[str, Any]] = {here: {"ranks": 1, "cores": cores(), "clock_offset": None}}
    if ranks == 1:
        return hosts
    from coded_dgd.engine.transports.mpi.master import master

    best: dict[str, float] = {}
    for peer in range(ranks - 1):
        answer = master().greeting(peer, ANSWER_SECONDS)
        if answer is None:
            continue
        greeting, offset, uncertainty = answer
        host = hosts.setdefault(
            greeting.host, {"ranks": 0, "cores": greeting.cores, "clock_offset": None}
        )
        host["ranks"] += 1
        host["cores"] = max(host["cores"], greeting.cores)
        if greeting.host != here and uncertainty < best.get(greeting.host, np.inf):
            best[greeting.host], host["clock_offset"] = uncertainty, offset
    return hosts


def cautions(found: dict[str, Any]) -> list[str]:
    """Return warnings about settings that harm a run, each with its remedy."""
    if found["mpi"] is None:
        return []
    told = []
    family = _family(found["mpi"])
    if found["mpiexec"] and family != (other := _family(found["mpiexec"])) and other:
        told.append(
            f"mpiexec is of {other} and mpi4py loads {family or found['mpi']}: ranks would each be "
            "alone; start with the mpiexec of that MPI"
        )
    if found["fault_tolerance"] != "on":
        alone = found.get("settings_of") == ALONE
        told.append(
            f"fault tolerance is off{' here, and mpiexec starts no job to look' if alone else ''}: "
            "the job ends when a worker's process is lost; docs/failures.md says how to switch it "
            "on, under Open MPI 5"
        )
    answered = sum(host["ranks"] for host in found["hosts"].values())
    if answered < found["ranks"]:
        told.append(f"{found['ranks'] - answered} ranks do not answer: see what became of them")
    for name, host in found["hosts"].items():
        where = f"{host['ranks']} ranks on {host['cores']} cores of {name}"
        if host["ranks"] > host["cores"]:
            told.append(
                f"{where}: computing that takes long makes them late; use fewer, or more hosts"
            )
            if found["yields_when_idle"] is False:
                told.append(
                    f"{where}, and those that wait in MPI keep the core: "
                    "export OMPI_MCA_mpi_yield_when_idle=1"
                )
        elif host["ranks"] * found["blas_threads"] > host["cores"]:
            told.append(
                f"{where}, with {found['blas_threads']} BLAS threads each: "
                "export OPENBLAS_NUM_THREADS=1"
            )
        offset = host["clock_offset"]
        if offset is not None and abs(offset) > CLOCK_SECONDS:
            told.append(
                f"the clock of {name} is {abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}:"
                " times in its logs and files mislead, those of results do not"
            )
    return told


def _family(text: str) -> str | None:
    """Return the MPI implementation of a version text; None if it is unknown."""
    for family, marks in {
        "Open MPI": ("Open MPI", "OpenRTE", "PRRTE", "prterun"),
        "Intel MPI": ("Intel",),
        "MPICH": ("MPICH", "HYDRA"),
    }.items():
        if any(mark in text for mark in marks):
            return family
    return None
