"""``coded-dgd launch``: scripts for batch systems, and for hosts without one."""

from __future__ import annotations

import itertools
import re
import shlex
import sys
from collections.abc import Sequence
from importlib.resources import files

import click

from coded_dgd.errors import UsageError

WARNING = 120
"""Seconds before the time limit at which a run is asked to stop."""
PATIENCE = 15
"""Seconds that mpiexec may take to end after rank 0 has."""
ANY_ENVIRONMENT = "${VIRTUAL_ENV:-${CONDA_PREFIX:-$PWD/.venv}}"
ARRAY_INDEX = {"slurm": "SLURM_ARRAY_TASK_ID", "pbs": "PBS_ARRAY_INDEX"}

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


def slurm_script(
    nodes: int | None = None,
    ntasks: int = 41,
    limit: str = "1:00:00",
    srun: str | None = None,
    sweep: Sequence[Sequence[str]] = (),
    options: Sequence[str] = (),
    environment: str | None = None,
) -> str:
    """Return a script for sbatch.

    Parameters
    ----------
    nodes : int, optional
    ntasks : int
    limit : str
        HOURS:MM:SS.
    srun : str, optional
        What srun is told as --mpi, where it is to take the place of mpiexec.
    sweep : sequence of sequences of str
        Further options of run, for each job of an array.
    options : sequence of str
        Of run.
    environment : str, optional
        Directory that has bin/python; by default what is activated when the job is submitted, or
        .venv in the current directory.
    """
    seconds(limit)
    return _script(
        "slurm",
        "launch/slurm.sbatch",
        [
            *([] if nodes is None else [f"#SBATCH --nodes={nodes}"]),
            f"#SBATCH --ntasks={ntasks}",
            f"#SBATCH --time={limit}",
            *([f"#SBATCH --array=0-{len(sweep) - 1}"] if sweep else []),
        ],
        sweep,
        options,
        environment,
        output="coded-dgd-%A_%a.out" if sweep else "coded-dgd-%j.out",
        launcher=f"srun --mpi={srun}" if srun else 'mpiexec -n "$SLURM_NTASKS"',
    )


def pbs_script(
    nodes: int | None = None,
    ntasks: int = 41,
    limit: str = "1:00:00",
    sweep: Sequence[Sequence[str]] = (),
    options: Sequence[str] = (),
    environment: str | None = None,
) -> str:
    """Return a script for qsub; see `slurm_script`."""
    if nodes is None:
        select = f"{ntasks}:ncpus=1:mpiprocs=1"
    else:
        each = -(-ntasks // nodes)
        select = f"{nodes}:ncpus={each}:mpiprocs={each}"
    return _script(
        "pbs",
        "launch/pbs.sh",
        [
            f"#PBS -l select={select}",
            f"#PBS -l walltime={limit}",
            *([f"#PBS -J 0-{len(sweep) - 1}"] if sweep else []),
        ],
        sweep,
        options,
        environment,
        seconds=str(seconds(limit)),
    )


def hosts_script(options: Sequence[str] = (), environment: str | None = None) -> str:
    """Return a script that takes a file of hosts; see `slurm_script`."""
    return _script("hosts", "launch/hosts.sh", [], (), options, environment)


def _script(
    head: str,
    name: str,
    directives: Sequence[str],
    sweep: Sequence[Sequence[str]],
    options: Sequence[str],
    environment: str | None,
    **values: str,
) -> str:
    """Fill the templates in."""
    templates = files("coded_dgd.cli") / "templates"
    text = "".join(
        (templates / f"{part}.sh").read_text(encoding="utf-8") for part in (head, "body")
    )
    values |= {
        "name": name if environment is None else "SCRIPT",
        "directives": "\n".join(directives),
        "environment": ANY_ENVIRONMENT if environment is None else shlex.quote(environment),
        "options": shlex.join(options or ["--scheme", "lcc-mmc"]),
        "sweep": _cases(f"${ARRAY_INDEX[head]}", sweep) if sweep else "",
        "warning": str(WARNING),
        "patience": str(PATIENCE),
    }
    return re.sub("@([a-z]+)@", lambda match: values[match[1]], text)


def _cases(index: str, sweep: Sequence[Sequence[str]]) -> str:
    lines = (f'    {task}) set -- {shlex.join(each)} "$@" ;;' for task, each in enumerate(sweep))
    return "\n".join([f"case {index} in", *lines, "esac", ""])


def points(sweeps: Sequence[str]) -> list[list[str]]:
    """Return the options of each job: all combinations of what is to be varied.

    Raises
    ------
    UsageError
        If a sweep is not OPTION=A,B,...
    """
    varied = []
    for text in sweeps:
        name, _, values = text.removeprefix("--").partition("=")
        if not name or not all(values.split(",")):
            raise UsageError(f"--sweep {text}: give an option and its values, as in load=2,5,10")
        varied.append([[f"--{name}", value] for value in values.split(",")])
    return [list(itertools.chain(*each)) for each in itertools.product(*varied)] if varied else []


def seconds(limit: str) -> int:
    """Return a time limit in seconds.

    Raises
    ------
    UsageError
        If it is not HOURS:MM:SS, or leaves no time to stop in.
    """
    if not re.fullmatch(r"\d+:[0-5]\d:[0-5]\d", limit):
        raise UsageError(f"--time {limit}: give it as HOURS:MM:SS, such as 1:00:00")
    hours, minutes, rest = map(int, limit.split(":"))
    total = 3600 * hours + 60 * minutes + rest
    if total <= 2 * WARNING:
        raise UsageError(
            f"--time {limit}: a run is asked to stop {WARNING} s before: give more than "
            f"{2 * WARNING // 60} minutes"
        )
    return total
