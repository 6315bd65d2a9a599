"""A sweep is an array of jobs, each with its own further options."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence

from coded_dgd.errors import UsageError


def points(sweeps: Sequence[str]) -> list[list[str]]:
    """Return the options of each job, which are all combinations of the varied values.

    Raises
    ------
    UsageError
        If a sweep is not of the form OPTION=A,B,...
    """
    varied = []
    for text in sweeps:
        name, _, values = text.removeprefix("--").partition("=")
        if not name or not all(values.split(",")):
            raise UsageError(f"--sweep {text}: give an option and its values, as in load=2,5,10")
        varied.append([[f"--{name}", value] for value in values.split(",")])
    return [list(itertools.chain(*each)) for each in itertools.product(*varied)] if varied else []


def choice(index: str, sweep: Sequence[Sequence[str]]) -> str:
    """Return shell lines that prepend the options of a job to the arguments of the script.

    Parameters
    ----------
    index : str
        Name of the variable with the number of the job.
    sweep : sequence of sequences of str
        Options of each job.
    """
    if not sweep:
        return ""
    lines = (f'    {task}) set -- {shlex.join(each)} "$@" ;;' for task, each in enumerate(sweep))
    return "\n".join([f"case ${index} in", *lines, "esac", ""])
