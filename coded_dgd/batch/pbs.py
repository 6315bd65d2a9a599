"""This module prints the script for qsub."""

from __future__ import annotations

from collections.abc import Sequence

from coded_dgd.batch.filling import fill
from coded_dgd.batch.limit import WARNING, seconds
from coded_dgd.batch.sweep import choice


def pbs_script(
    nodes: int | None = None,
    ntasks: int = 41,
    limit: str = "1:00:00",
    sweep: Sequence[Sequence[str]] = (),
    options: Sequence[str] = (),
    environment: str | None = None,
) -> str:
    """Return a script for qsub; see `coded_dgd.batch.slurm.slurm_script`."""
    if nodes is None:
        select = f"{ntasks}:ncpus=1:mpiprocs=1"
    else:
        each = -(-ntasks // nodes)
        select = f"{nodes}:ncpus={each}:mpiprocs={each}"
    directives = [
        f"#PBS -l select={select}",
        f"#PBS -l walltime={limit}",
        *([f"#PBS -J 0-{len(sweep) - 1}"] if sweep else []),
    ]
    return fill(
        "pbs",
        "launch/pbs.sh",
        options,
        environment,
        directives="\n".join(directives),
        sweep=choice("PBS_ARRAY_INDEX", sweep),
        warning=str(WARNING),
        seconds=str(seconds(limit)),
    )
