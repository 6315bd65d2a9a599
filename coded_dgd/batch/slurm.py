"""This module prints the script for sbatch."""

from __future__ import annotations

from collections.abc import Sequence

from coded_dgd.batch.filling import fill
from coded_dgd.batch.limit import WARNING, seconds
from coded_dgd.batch.sweep import choice


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
        Number of nodes.
    ntasks : int
        Number of ranks, including the master.
    limit : str
        Time limit, HOURS:MM:SS.
    srun : str, optional
        Argument --mpi of srun; if given, srun replaces mpiexec.
    sweep : sequence of sequences of str
        Further options of ``coded-dgd run``, for each job of an array.
    options : sequence of str
        Options of ``coded-dgd run``.
    environment : str, optional
        Directory that has bin/python; by default the environment that is activated when the job is
        submitted, or .venv in the current directory.

    Raises
    ------
    UsageError
        If the limit is not a valid time limit.
    """
    seconds(limit)
    directives = [
        *([] if nodes is None else [f"#SBATCH --nodes={nodes}"]),
        f"#SBATCH --ntasks={ntasks}",
        f"#SBATCH --time={limit}",
        *([f"#SBATCH --array=0-{len(sweep) - 1}"] if sweep else []),
    ]
    return fill(
        "slurm",
        "launch/slurm.sbatch",
        options,
        environment,
        directives="\n".join(directives),
        sweep=choice("SLURM_ARRAY_TASK_ID", sweep),
        warning=str(WARNING),
        output="coded-dgd-%A_%a.out" if sweep else "coded-dgd-%j.out",
        launcher=f"srun --mpi={srun}" if srun else 'mpiexec -n "$SLURM_NTASKS"',
    )
