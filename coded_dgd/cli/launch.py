"""``coded-dgd launch`` prints scripts for batch systems, and for hosts without one."""

from __future__ import annotations

import sys

import click

from coded_dgd.batch.hosts import hosts_script
from coded_dgd.batch.pbs import pbs_script
from coded_dgd.batch.slurm import slurm_script
from coded_dgd.batch.sweep import points

ntasks = click.option(
    "--ntasks", type=click.IntRange(min=2), default=41, help="Ranks: the master and the workers."
)
nodes = click.option(
    "--nodes", type=click.IntRange(min=1), help="Nodes to spread them over.  [default: any]"
)
limit = click.option("--time", "limit", default="1:00:00", help="Time limit, as HOURS:MM:SS.")
sweep = click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="OPTION=A,B,...",
    help="Have an array of jobs: one for each value of this option of run; several --sweep are "
    "combined. coded-dgd collect makes one table of their run folders.",
)
options = click.argument("options", nargs=-1, metavar="[-- RUN OPTIONS]")


@click.group()
def launch() -> None:
    """Print a script that runs coded-dgd run in a batch job, or on hosts that ssh reaches.

    Redirect it into a file. It uses the environment that this command is installed in.
    """


@launch.command()
@nodes
@ntasks
@limit
@click.option(
    "--srun",
    type=click.Choice(["pmix", "pmi2"]),
    help="Start with srun --mpi=... instead of mpiexec: pmix for Open MPI, pmi2 for MPICH. Then "
    "the loss of a process ends the job.",
)
@sweep
@options
def slurm(
    nodes: int | None,
    ntasks: int,
    limit: str,
    srun: str | None,
    sweeps: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    """Print a script for sbatch."""
    click.echo(
        slurm_script(nodes, ntasks, limit, srun, points(sweeps), options, sys.prefix), nl=False
    )


@launch.command()
@nodes
@ntasks
@limit
@sweep
@options
def pbs(
    nodes: int | None,
    ntasks: int,
    limit: str,
    sweeps: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    """Print a script for qsub."""
    click.echo(pbs_script(nodes, ntasks, limit, points(sweeps), options, sys.prefix), nl=False)


@launch.command()
@options
def hosts(options: tuple[str, ...]) -> None:
    """Print a script that takes a file of hosts."""
    click.echo(hosts_script(options, sys.prefix), nl=False)
